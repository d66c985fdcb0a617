"""E-values, with their sources."""
