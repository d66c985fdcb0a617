"""Prompts with variables: the template language, the values that calls give, and the finished text."""
