"""Log and counts of what the gateway refuses: who asked, where and why; never what was sent, and not too often."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.calls import Caller
from gateway.errors import Forbidden, SerinusError, Unauthenticated, UnknownModel
from gateway.formats.registry import KEY_HEADERS
from gateway.logs import Log
from gateway.net.asgi import Scope

MOST_AT_ONCE = 10  # lines of one kind in a burst
CREDENTIALS_EVERY, OTHERS_EVERY = 1.0, 5.0  # seconds from one line to the next afterwards
_CREDENTIALS = (*sorted(KEY_HEADERS | {b"authorization"}), b"x-serinus-signature")
_FOREIGN = ("host_not_allowed", "origin_not_allowed")
_LONGEST_PATH, _LONGEST_MESSAGE = 200, 300
_MOST_COUNTED = 100  # kinds; their codes are our own
_QUOTED = re.compile(r"'[^']*+'|\"[^\"]*+\"")
_PARAMETER = re.compile(r".[a-z]+(?:_[a-z]+)*+.")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f]+")


@dataclass(slots=True)
class _LineBudget:
    """Lines of one kind of refusal that may be written: `left` at `at`, and how many were not."""

    left: float
    at: float
    unlogged: int = 0


class RefusalLog:
    """Log refusals, ten of a kind at once and then few; `unlogged` in a line counts those in between.

    `monotonic` tells the time in seconds. `counts` has all of them since the start, by status and code.
    """

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._monotonic = monotonic
        self._kinds: dict[str, _LineBudget] = {}
        self.counts: dict[str, int] = {}

    def note(
        self,
        error: SerinusError,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        call_id: str,
        caller: Caller | None = None,
    ) -> None:
        """Count the refusal of a request, which was answered under that id, and log it unless there are too many."""
        is_attack = isinstance(error, Unauthenticated) and any(headers.get(name) for name in _CREDENTIALS)
        is_attack = is_attack or (isinstance(error, Forbidden) and error.code in _FOREIGN)
        client = (scope.get("client") or ("",))[0]
        self._note(error, call_id, "credentials" if is_attack else str(error.status), {
            "method": scope["method"], "path": scope["path"][:_LONGEST_PATH], "client": client or None,
            "caller": caller.name if caller else None,
        })  # fmt: skip

    def note_at_server(self, error: SerinusError, path: str, client: str, call_id: str) -> None:
        """Note what the server refused before it was a request for the application."""
        self._note(error, call_id, str(error.status), {"path": path[:_LONGEST_PATH] or None, "client": client or None})

    def _note(self, error: SerinusError, call_id: str, kind: str, fields: Mapping[str, object]) -> None:
        name = f"{error.status} {error.code or error.type}"
        if name not in self.counts and len(self.counts) >= _MOST_COUNTED:
            name = f"{error.status}"
        self.counts[name] = self.counts.get(name, 0) + 1
        now, every = self._monotonic(), CREDENTIALS_EVERY if kind == "credentials" else OTHERS_EVERY
        lines = self._kinds.setdefault(kind, _LineBudget(MOST_AT_ONCE, now))
        lines.left, lines.at = min(MOST_AT_ONCE, lines.left + (now - lines.at) / every), now
        if lines.left < 1:
            lines.unlogged += 1
            return
        lines.left -= 1
        self._log.warning(
            "refused", id=call_id, status=error.status, code=error.code, message=_without_quotations(error),
            param=error.param and _cut(error.param), **fields, unlogged=lines.unlogged,
        )  # fmt: skip
        lines.unlogged = 0


def _without_quotations(error: SerinusError) -> str:
    """The message without what it quotes of a request, but names of parameters; a model that is not known is named."""
    if isinstance(error, UnknownModel):
        return _cut(error.message)
    return _cut(
        _QUOTED.sub(
            lambda found: found[0] if _PARAMETER.fullmatch(found[0]) else f"{found[0][0]}…{found[0][0]}", error.message
        )
    )


def _cut(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)[:_LONGEST_MESSAGE]
