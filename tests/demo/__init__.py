"""`./run demo`: real changes through the whole gate, on loopback, for a newcomer to watch."""
