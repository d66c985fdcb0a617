"""Finished calls, and their records."""

from typing import Any

from gateway.calls import Attempt, Call, Caller, Outcome, Usage
from gateway.formats.returned_tools import returned_tools
from gateway.json_body import Document
from gateway.traces.finished import FinishedCalls
from gateway.traces.record import CallRecord


def call(**more: Any) -> Call:
    document = Document.parse(more.pop("body", b"{}"))
    return Call("c", Caller("web", ""), "a", None, document, False, False, [], "", 0.0, format="openai", **more)


def attempt(target: str = "p/m", at: float = 99.5, **more: Any) -> Attempt:
    return Attempt(target, at, at + 1.0, status=200, usage=Usage(10, 0, 5), cost_nano_usd=7, **more)


def recorded(closed: Outcome, request: Call) -> CallRecord:
    """Return the record of a call that began at 99.5 and ended at 101.5, on the monotonic clock."""
    finished = FinishedCalls(lambda: 100.0, lambda: 1_000_100.0)
    closed.ended_at = 101.5
    finished.note(closed, request, returned_tools(request.document.values))
    (record,) = finished.take(10)
    assert not finished
    return record
