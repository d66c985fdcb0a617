"""Datasets of other tools: rows with a question and a reference answer, one module for each dialect."""
