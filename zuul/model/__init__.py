"""Values and queue entities. Nothing here waits, logs, reads a clock or knows a driver."""
