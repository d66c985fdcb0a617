"""Behaviours that an answer shows by itself, without a judge: facts go in, names of behaviours come out."""
