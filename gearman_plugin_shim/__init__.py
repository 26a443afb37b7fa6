"""The bridge from Gearman to Jenkins masters: builds in, results and build events out."""
