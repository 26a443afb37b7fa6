"""The database that keeps reports: tables, their migrations, the reporter."""
