"""Differences between generations of Gemini. A model without a known number counts as new."""

import re

_BEFORE_THREE = re.compile(r"(gemini-[12][.-]|gemini-pro(-vision)?$|gemma|learnlm)")


def before_three(model: str) -> bool:
    """Return whether the model is older than Gemini 3: it thinks by budget and not by level, cannot see images inside a
    function's response, and takes no JSON schema for its answer beside functions."""
    return bool(_BEFORE_THREE.match(model.rpartition("/")[2]))


def thinks_always(model: str) -> bool:
    """Return whether thinking cannot be turned off: in Pro models."""
    return "-pro" in model
