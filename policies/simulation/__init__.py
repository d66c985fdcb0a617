"""Simulation of a rollout, drawn by chance from a seed."""
