"""Calls, sums, sights and facts of a demo that went well, to be spoilt one field at a time."""

from dataclasses import replace
from typing import Any

from gateway.rehearsal.demo.checks import DemoVerdict, StoryFacts
from gateway.rehearsal.demo.ledger import ClientCall, Ledger
from gateway.rehearsal.demo.picture import Picture, Row
from gateway.rollout.status_view import CallSums
from tests.support.views import call_sums

SPLIT, BROKEN, ROLLED_BACK, QUIET = 100.0, 120.0, 130.0, 136.0


def call(version: str = "v1", at: float = 0.0, **fields: Any) -> ClientCall:
    """A call that began at that moment, took a tenth of a second and went well."""
    return replace(ClientCall(conversation=0, turn=0, version=version, started_at=at, ended_at=at + 0.1), **fields)


def sums(**fields: Any) -> CallSums:
    """A version with 100 requests at a known price."""
    good = {"requests": 100, "errors": 1, "error_rate": 0.01, "cost_usd": 0.1, "cost_per_request_usd": 0.001}
    return call_sums(**{**good, **fields})


def facts(**fields: Any) -> StoryFacts:
    """Everything noted, and as promised."""
    good = StoryFacts(
        edited_at=99.5, split_at=SPLIT, broken_at=BROKEN, canary_before=50, first_failure_at=121.0,
        rolled_back_at=ROLLED_BACK, actor="controller", reason="breached",
        evidence={"canary_requests": 70, "canary_failing": 5, "stable_requests": 950, "stable_failing": 7},
        rollbacks=1, applied_at={"replica-1": 130.001, "replica-2": 130.004}, quiet_until=QUIET,
        sums={"v1": sums(), "v2": sums()},
        gated_at=QUIET, verdict=DemoVerdict(1, "Failed: worse.", 8, 12), refused_at=141.0,
    )  # fmt: skip
    return replace(good, **fields)


def ledger() -> Ledger:
    """400 conversations of one turn: 5 % on v2 until the rollback, none afterwards."""
    books = Ledger()
    for number in range(400):
        at = SPLIT + number * 0.09
        on_canary = number % 20 == 0 and at < ROLLED_BACK
        books.record(call("v2" if on_canary else "v1", at, conversation=number))
    return books


def picture(**fields: Any) -> Picture:
    """The trial, running well."""
    good = Picture(
        seconds=83.0, act="v2 on trial",
        rows=(Row("v1", "stable", 0.95, 0.948, sums()), Row("v2", "canary", 0.05, 0.052, sums(requests=5))),
        e_value=0.5, threshold=100.0, phases=("running at 5%", "running at 5%"), calls=1234, calls_per_second=50.0,
        client_errors=0, rescued=3, escalated=0, flips=0, broken=False, rolled_back=False,
        page="http://127.0.0.1:50001/status/customer-support",
    )  # fmt: skip
    return replace(good, **fields)
