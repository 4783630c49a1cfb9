"""Templates with all their versions."""
