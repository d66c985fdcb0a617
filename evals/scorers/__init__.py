"""Scorers of the user's own: commands that score answers out of process, and the door to their judges."""
