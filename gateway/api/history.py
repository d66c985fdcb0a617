"""`GET /status/{agent}/history`: an agent's counts over time, for whoever may read its status."""

import re
from time import time

from gateway.api.endpoint import caller_of, send_json
from gateway.api.query import UNITS, read_query, read_time
from gateway.api.status import Status
from gateway.errors import CallerError, NotFound
from gateway.history.curves import build_history, choose_step, interval_of
from gateway.net.asgi import Receive, Scope, Send

_USUAL_SECONDS = 3600.0
_LONGEST_SECONDS = 31 * 24 * 3600.0
_STEP = re.compile(r"([0-9]{1,7})([smhd]?)", re.ASCII)
_KNOWN = ("since", "until", "step")


class StatusHistory(Status):
    """The curves of one agent: `?since=` and `?until=` bound the time, `?step=` is the time from point to point."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["agent"]
        if name not in self.services.table or not caller_of(scope).may_call(name):
            raise NotFound(f"there is no agent {name!r}")
        now = time()
        given = read_query(scope, _KNOWN)
        since, until = read_time(given, "since", now, now - _USUAL_SECONDS), read_time(given, "until", now, now)
        since = max(since, now - _LONGEST_SECONDS)
        if since >= until:
            raise CallerError("`since` must be before `until`, and within the last 31 days", param="since")
        step = choose_step(until - since, now - since, _step(given))
        read = await self.services.store.history(name, since, until, interval_of(step, now - since))
        await send_json(send, await build_history(name, read, step, since, until))


def _step(given: dict[str, str]) -> int | None:
    text = given.get("step")
    if text is None:
        return None
    if not (match := _STEP.fullmatch(text)) or not int(match[1]):
        raise CallerError(f"`step` must be a number of seconds, such as 60 or 1h, not {text!r}", param="step")
    return int(match[1]) * UNITS[match[2] or "s"]
