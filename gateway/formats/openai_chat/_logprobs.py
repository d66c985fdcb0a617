"""The probabilities of tokens, in OpenAI's shape, out of what a provider sent: ill-typed ones are left out."""

import math
from typing import Any


def read_logprobs(value: object) -> list[dict[str, Any]] | None:
    """The list of token objects, None where there is none."""
    tokens = [token for item in value if (token := _token(item))] if isinstance(value, list) else []
    return tokens or None


def _token(value: object) -> dict[str, Any] | None:
    found = _one(value)
    if found is None or not isinstance(value, dict):
        return None
    top = value.get("top_logprobs")
    likely = [one for item in top if (one := _one(item))] if isinstance(top, list) else []
    return {**found, "top_logprobs": likely}


def _one(value: object) -> dict[str, Any] | None:
    token, logprob = (value.get("token"), value.get("logprob")) if isinstance(value, dict) else (None, None)
    if not isinstance(value, dict) or not isinstance(token, str) or not _is_number(logprob):
        return None
    spelled = value.get("bytes")
    return {"token": token, "logprob": logprob, "bytes": spelled if _are_bytes(spelled) else None}


def _is_number(value: object) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _are_bytes(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 256 for each in value)
