"""Integers that merge: what both arms of a rollout did."""
