"""Arguments of a function call as Google's APIs want them: an object."""

import json
from typing import Any


def arguments_of(text: str) -> dict[str, Any]:
    """Return the object that a call's JSON text holds; a text that is none goes as `arguments`."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": text}


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number")
    return number
