"""Evaluators as commands: protocol, pools, the door to judges, signals."""
