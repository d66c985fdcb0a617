"""Decisions after a failed or late attempt."""
