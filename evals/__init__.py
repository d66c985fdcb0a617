"""Evaluation of a version by a suite of cases, before traffic reaches it. Nothing here is on the path of a call."""
