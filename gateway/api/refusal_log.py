"""The log of refused keys, tokens, signatures and foreign pages: who tries, never what was tried, and not too often."""

from collections.abc import Callable, Mapping

from gateway.errors import Forbidden, SerinusError, Unauthenticated
from gateway.formats.registry import KEY_HEADERS
from gateway.logs import Log
from gateway.net.asgi import Scope

MOST_AT_ONCE = 10  # lines in a burst; afterwards one a second
_CREDENTIALS = (*sorted(KEY_HEADERS | {b"authorization"}), b"x-serinus-signature")
_FOREIGN = ("host_not_allowed", "origin_not_allowed")
_LONGEST_PATH = 200


class RefusalLog:
    """Log refusals: ten at once, then one a second. `unlogged` counts those in between.

    `monotonic` tells the time in seconds.
    """

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._monotonic = monotonic
        self._lines = float(MOST_AT_ONCE)
        self._at = monotonic()
        self._unlogged = 0

    def note(self, error: SerinusError, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Log the refusal, where it is one of a credential that was sent, or of a foreign page."""
        is_wrong = isinstance(error, Unauthenticated) and any(headers.get(name) for name in _CREDENTIALS)
        if not is_wrong and not (isinstance(error, Forbidden) and error.code in _FOREIGN):
            return
        now = self._monotonic()
        self._lines = min(MOST_AT_ONCE, self._lines + now - self._at)
        self._at = now
        if self._lines < 1:
            self._unlogged += 1
            return
        self._lines -= 1
        self._log.warning(
            "refused", code=error.code, message=error.message, method=scope["method"],
            path=scope["path"][:_LONGEST_PATH], client=(scope.get("client") or (None,))[0], unlogged=self._unlogged,
        )  # fmt: skip
        self._unlogged = 0
