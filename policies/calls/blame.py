"""Blame of a version: failures of an attempt that count against it, and those that do not."""

from typing import Final

# Every kind of failure counts but an answered status, whose code decides. See `counts_as_error`.
_STATUS: Final = "status"

_OUR_KEY: Final = 401  # the gateway holds the key, so no client causes it
RATE_LIMIT: Final = 429
_NOT_IMPLEMENTED: Final = 501  # of the 5xx the one that speaks of the request and not of the server


def counts_as_error(kind: str, status: int | None, blames_version: bool = False) -> bool:
    """Return whether a failed attempt is an error of its version.

    Timeouts, broken connections, 5xx, an error inside HTTP 200, malformed and truncated answers are. A 4xx may be the
    client's doing, and a 429 is the account's, unless the answer is about our key or (`blames_version`) about what the
    version alone decides: its model, or a parameter that it set.
    """
    if kind != _STATUS or status is None:
        return True
    if status == _OUR_KEY or (blames_version and 400 <= status < 500):
        return True
    return status >= 500 and status != _NOT_IMPLEMENTED


def is_rejection(kind: str, status: int | None) -> bool:
    """Return whether the provider refused to serve the request, for a reason that a client or the version may have
    caused.

    Nobody needs to know which: the split attributes it. A rate limit depends on how busy an arm is, so it is none.
    """
    if kind != _STATUS or status is None:
        return False
    return (400 <= status < 500 and status != RATE_LIMIT) or status == _NOT_IMPLEMENTED
