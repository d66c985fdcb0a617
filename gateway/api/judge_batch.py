"""`POST /admin/judge/{agent}`: recorded calls that no judge has graded are graded, a page for each request."""

from collections.abc import Mapping
from time import time
from typing import Any

from gateway.api.admin import AdminEndpoint
from gateway.api.endpoint import read_small, send_json
from gateway.api.query import read_time
from gateway.errors import CallerError, NotFound
from gateway.json_body import Document
from gateway.live_judge.batch import BatchPage, judge_page
from gateway.net.asgi import Receive, Scope, Send
from gateway.traces.search import place_of

_MOST_BYTES = 64 * 1024
_MEMBERS = ("since", "before", "sample", "limit", "max_cost")
_DAY = 24 * 3600.0
_MOST_CALLS = 1_000_000
_MOST_USD = 1_000_000.0
_BASIS_POINTS, _NANO = 10_000, 1e9


class JudgeBatch(AdminEndpoint):
    """The nightly batch of an agent's judge."""

    methods = ("POST",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = scope["path_params"]["agent"]
        entry = self.services.table.entry(agent)
        if entry is None:
            raise NotFound(f"there is no agent {agent!r}")
        page = _page(Document.parse(await read_small(scope, receive, _MOST_BYTES)).values)
        await send_json(send, await judge_page(self.services.judge, self.services.traces, entry, page))


def _page(body: Mapping[str, Any]) -> BatchPage:
    """Return the page that a body asks for. Raises CallerError."""
    if unknown := [name for name in body if name not in _MEMBERS]:
        raise CallerError(f"unknown member {unknown[0]!r}; known: {', '.join(_MEMBERS)}", param=unknown[0])
    before = body.get("before") or ""
    if not isinstance(before, str) or (before and place_of(before) is None):
        raise CallerError("'before' must be the 'next' of the page before", param="before")
    given = {"since": str(body["since"])} if "since" in body else {}
    now = time()
    most = _number(body, "max_cost", None, _MOST_USD)
    return BatchPage(
        since=read_time(given, "since", now, now - _DAY),
        before=before,
        sample=round((_number(body, "sample", 1.0, 1.0) or 0.0) * _BASIS_POINTS),
        limit=round(_number(body, "limit", _MOST_CALLS, _MOST_CALLS) or 0),
        left=None if most is None else round(most * _NANO),
    )


def _number(body: Mapping[str, Any], name: str, usual: float | None, most: float) -> float | None:
    value = body.get(name, usual)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise CallerError(f"{name!r} must be a number from 0 to {most:,.0f}", param=name)
    return float(value)
