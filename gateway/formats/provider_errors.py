"""Errors of providers that say nothing to be read, or nothing that may be shown: alike in every format."""

from gateway.errors import Headers, ProviderError

ERROR_STATUSES = range(400, 600)
# Statuses that keep their meaning without a readable body; any other unreadable error is a plain 502.
_KEPT_STATUSES = frozenset({429, 503, 529})
_BAD_GATEWAY = 502


def no_error(status: int) -> ProviderError:
    """Return the error of a status that is neither an answer's nor an error's, such as a redirect's."""
    return ProviderError("malformed", f"the provider answered HTTP {status}; redirects are not followed")


def unreadable(status: int, headers: Headers) -> ProviderError:
    """Return the error of an answer whose body cannot be read."""
    message = f"the provider answered HTTP {status} without a readable error"
    error = ProviderError("status", message, upstream_status=status, headers=headers)
    if status not in _KEPT_STATUSES:
        error.status = _BAD_GATEWAY
    return error
