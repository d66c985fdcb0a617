"""Connections that could not be made because this host is exhausted: no provider was asked, and none is at fault."""

import errno
import os
import re
from collections.abc import Iterator

from gateway.errors import ProviderError
from gateway.net.client import Origin

# No file descriptor is left for the process or for the host, no memory for a socket.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NUMBERS = re.compile(r"Errno (\d+)")  # of all addresses that were tried, where several failed
_LONGEST_CHAIN = 8
_MESSAGE = "The gateway has no file descriptor or memory left for a connection; try again in a second."


class Exhausted(ProviderError):
    """The gateway's host is exhausted, so that no provider was asked. `__cause__` has what the system said."""

    type = "api_error"
    caller_can_cause = False

    def __init__(self) -> None:
        super().__init__("exhausted", _MESSAGE, headers=[(b"retry-after", b"1")])
        self.code = "overloaded"


def not_connected(origin: Origin, error: BaseException, why: str = "") -> ProviderError:
    """Return the error of a connection that was not made: ours where this host is exhausted, else the provider's."""
    if is_exhaustion(error):
        return Exhausted()
    return ProviderError("connect", f"{origin.scheme}://{origin.host}:{origin.port}: {why or _words(error)}")


def is_exhaustion(error: BaseException) -> bool:
    """Return whether the host is exhausted, by the error, or by a look at it: a resolver that finds no file to read its
    configuration from says that the name does not exist."""
    return any(map(_is_ours, _causes(error))) or not _has_descriptor()


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _is_ours(error: BaseException) -> bool:
    if not isinstance(error, OSError):
        return False
    numbers = {int(number) for number in _NUMBERS.findall(str(error))}
    return error.errno in _OURS or (bool(numbers) and numbers <= _OURS)


def _has_descriptor() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _OURS
    return True


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
