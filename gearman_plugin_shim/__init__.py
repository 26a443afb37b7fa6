"""The bridge from Gearman to Jenkins masters; follows in an issue of its own."""
