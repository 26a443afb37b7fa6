"""Everything the suite says and hears in Gearman's language."""
