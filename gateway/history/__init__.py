"""Counts over time: what was counted by interval, for curves, for the last minutes, and for costs."""
