"""`GET /status/{agent}/history`: an agent's counts over time, for whoever may read its status."""

import re
from datetime import datetime
from time import time
from urllib.parse import parse_qs

from gateway.api.endpoint import caller_of, send_json
from gateway.api.status import Status
from gateway.errors import CallerError, NotFound
from gateway.history.curves import choose_step, history_view, interval_of
from gateway.net.asgi import Receive, Scope, Send

_USUAL_SECONDS = 3600.0
_LONGEST_SECONDS = 31 * 24 * 3600.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_AGO = re.compile(r"([0-9]{1,7})([smhd])", re.ASCII)
_STEP = re.compile(r"([0-9]{1,7})([smhd]?)", re.ASCII)
_KNOWN = ("since", "until", "step")


class StatusHistory(Status):
    """The curves of one agent: `?since=` and `?until=` bound the time, `?step=` is the time from point to point."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["agent"]
        if name not in self.services.table or not caller_of(scope).may_call(name):
            raise NotFound(f"there is no agent {name!r}")
        now = time()
        given = _query(scope)
        since, until = _time(given, "since", now, now - _USUAL_SECONDS), _time(given, "until", now, now)
        since = max(since, now - _LONGEST_SECONDS)
        if since >= until:
            raise CallerError("`since` must be before `until`, and within the last 31 days", param="since")
        step = choose_step(until - since, now - since, _step(given))
        read = await self.services.store.history(name, since, until, interval_of(step, now - since))
        await send_json(send, history_view(name, read, step, since, until))


def _query(scope: Scope) -> dict[str, str]:
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if unknown := [name for name in given if name not in _KNOWN]:
        raise CallerError(f"unknown parameter {unknown[0]!r}; known: {', '.join(_KNOWN)}", param=unknown[0])
    return {name: values[-1] for name, values in given.items()}


def _time(given: dict[str, str], name: str, now: float, usual: float) -> float:
    """Return a time in Unix seconds, written as how long ago it is, or by RFC 3339."""
    text = given.get(name)
    if text is None:
        return usual
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a `+` in a query is a space
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise CallerError(f"`{name}` must be a time ago, such as 1h or 30d, or by RFC 3339, not {text!r}", param=name)


def _step(given: dict[str, str]) -> int | None:
    text = given.get("step")
    if text is None:
        return None
    if not (match := _STEP.fullmatch(text)) or not int(match[1]):
        raise CallerError(f"`step` must be a number of seconds, such as 60 or 1h, not {text!r}", param="step")
    return int(match[1]) * _UNITS[match[2] or "s"]
