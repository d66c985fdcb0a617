"""Readers of suites: one module for each dialect, chosen by the keys of the file."""

from evals.suites.detection import read_suite as read_suite
