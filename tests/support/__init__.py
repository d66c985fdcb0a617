"""Helpers that tests of several rooms share. A helper of one room stands in that room."""
