"""Readers of suites: one module for each dialect, chosen by the keys of the file."""
