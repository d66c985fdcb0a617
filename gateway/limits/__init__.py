"""Limits and budgets of callers and agents: exact over all replicas, and no store on the path of a call."""
