"""The record of a rollout, and what changes it."""
