"""What the `zuul` command does: asks zuul-server over Gearman, and shows what it answers."""
