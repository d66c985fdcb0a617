"""What a version did wrong: which failures of an attempt count against it, and which are someone else's."""

from typing import Final

# Every kind of failure counts but an answered status, whose code decides. See `counts_as_error`.
_STATUS: Final = "status"

# The version chose the model and we hold the key, so "no such model" and "not allowed" are never the client's doing.
_OUR_STATUSES: Final = frozenset({401, 403, 404, 405, 501})


def counts_as_error(kind: str, status: int | None, blames_version: bool = False) -> bool:
    """Whether a failed attempt is an error of its version.

    Timeouts, broken connections, 5xx, an error inside HTTP 200, malformed and truncated answers are. A 4xx is the
    client's, and a 429 the account's, unless it is about what the version alone decides: the model, the key, or
    (`blames_version`) a parameter that the version set.
    """
    if kind != _STATUS or status is None:
        return True
    return status >= 500 or status in _OUR_STATUSES or (blames_version and 400 <= status < 500)
