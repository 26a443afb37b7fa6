"""Pages of a daemon: for everybody to read and nobody to change."""
