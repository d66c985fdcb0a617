"""Limits for a canary, and what the evidence says about each."""
