"""Checks of a suite."""

from typing import Any


def get_assert(output: str, context: dict[str, Any]) -> bool:
    """Return whether a parcel is named."""
    return "parcel" in output


def three_words(output: str, context: dict[str, Any]) -> bool:
    """Return whether there are three words."""
    return len(output.split()) == 3


def lower(output: str, context: dict[str, Any]) -> str:
    """Return the output in small letters."""
    return output.lower()
