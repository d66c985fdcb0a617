"""One call's outcome: how it is opened, what ends it, and that it is closed exactly once."""

import asyncio
import io
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway import logs
from gateway.call.recording import Recording, name_call
from gateway.call.streaming import ClientTooSlow
from gateway.calls import Attempt, Call, Caller, Outcome
from gateway.errors import CallerError, GatewayError, ProviderError
from gateway.json_body import Document
from gateway.pricing import PriceBook
from gateway.rollout.call_id import read
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Entry, Table
from routing.facts import Facts
from routing.plan import route
from tests.support.trials import agent_named, begun, outcome


def a_call() -> Call:
    document = Document.parse(b"{}")
    caller = Caller("web", "")
    return Call("c", caller, "a", None, document, False, False, [], "", 0.0, format="openai", nonce=b"8 bytes!")


@dataclass(slots=True)
class Stage:
    """A recorder, and an agent whose canary is on trial, or has completed its rollout."""

    is_completed: bool = False
    out: io.BytesIO = field(default_factory=io.BytesIO)

    def record(self) -> Recording:
        entry = self.entry()
        plan = route(entry.agent, entry.split, Facts("web", "", "", "c", "r"))
        recorder = Recorder(logs.to(self.out), Clock(lambda: 100.0, lambda: 1e9))
        return Recording(recorder, a_call(), plan, entry, PriceBook((), {}))

    def entry(self) -> Entry:
        table, state = Table(), begun(agent_named("a"))
        table.install({"a": agent_named("a")})
        completed = replace(state, phase="completed", weight=10_000)
        table.turn("a", completed if self.is_completed else state)
        entry = table.entry("a")
        assert entry
        return entry

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def raising(recording: Recording, error: BaseException, attempt: Attempt | None = None) -> Outcome:
    """The outcome of a call that this ends; what a recording lets through goes no further than this."""
    try:
        with recording as outcome:
            outcome.attempts += [attempt] if attempt else []
            raise error
    except type(error):
        return recording.outcome
    return recording.outcome


@pytest.mark.parametrize(
    "error, counts, end, status",
    [
        (ProviderError("status", "down", upstream_status=500), True, "failed", 500),
        (ProviderError("timeout", "no answer"), True, "failed", 504),
        (ProviderError("status", "no such file", upstream_status=404), False, "refused", 404),
        (CallerError("cannot be translated"), False, "refused", 400),
        (asyncio.CancelledError(), False, "client_gone", 0),
        (ClientTooSlow(), False, "client_gone", 0),
        (GatewayError("our fault"), False, "failed", 0),
        (ValueError("a bug"), False, "failed", 0),
    ],
)
def test_what_ends_a_call_is_recorded(error: BaseException, counts: bool, end: str, status: int) -> None:
    """The version failed, the request was refused, the client left, or the fault is ours; one line each."""
    stage = Stage()
    ended = raising(stage.record(), error, Attempt("p/m", 99.0, failure="status", counts=counts))
    assert (ended.end, ended.status) == (end, status)
    assert [(line["end"], line["status"]) for line in stage.lines()] == [(end, status)]


def test_an_answer_is_closed_as_it_was_left() -> None:
    """Who knows how the call ended has said so; the recording adds nothing."""
    stage = Stage()
    with stage.record() as opened:
        opened.attempts.append(Attempt("p/m", 99.0, status=200))
        opened.end, opened.status = "answered", 200
    assert [line["end"] for line in stage.lines()] == ["answered"] and opened.ended_at == 100.0


def test_only_a_slow_client_is_nobodys_business() -> None:
    """Its error ends with the recording; every other goes on to who can answer it."""
    with Stage().record():
        raise ClientTooSlow
    with pytest.raises(CallerError), Stage().record():
        raise CallerError("wrong")


def test_a_completed_canary_is_still_watched() -> None:
    """Its calls are evidence of the canary, although there is no control any more."""
    opened = Stage(is_completed=True).record().outcome
    assert (opened.version, opened.arm, opened.thresholds) == ("v2", "canary", None)


def test_a_censored_calls_id_has_no_arm() -> None:
    """Its score is not its arm's; that the version served it is known all the same."""
    call, censored = a_call(), outcome("canary")
    censored.censored = True
    name_call(call, censored, b"key")
    booking = read(call.id, "web", b"key")
    assert booking is not None and (booking.arm, booking.apart, booking.answered) == (None, False, True)
    name_call(call, censored, b"key", answered=False)
    booking = read(call.id, "web", b"key")
    assert booking is not None and not booking.answered and call.id == censored.call_id
