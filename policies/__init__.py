"""Decisions on evidence. Pure: time comes in as `now`, randomness as a number."""
