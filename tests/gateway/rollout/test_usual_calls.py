"""Usual calls: counted together as each would be by itself, in time, and in bounded memory."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway import logs
from gateway.calls import Attempt, Call, Caller, Outcome, Usage
from gateway.json_body import Document
from gateway.pricing import PriceBook
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.usual_calls import AT_ONCE, UsualCalls, is_usual
from gateway.telemetry.families import CALLS, OVERHEAD
from tests.support.trials import outcome

PRICES = PriceBook((), {})


def good(number: int = 0, **more: Any) -> Outcome:
    """A call of one good attempt; no two take the same."""
    usage = Usage(100 + 7 * number, number % 3, number, number % 2, estimated=number % 5 == 0)
    attempt = Attempt("p/m", 99.0, 99.5, status=200, usage=usage, cost_nano_usd=10**number)
    made = outcome("canary" if number % 2 else "stable", attempt, unit=f"k\0conversation\0{number % 4}")
    return replace(made, received_at=100.0 - number, call_id=f"id-{number}", begins=number % 3 == 0, **more)


def call() -> Call:
    """What a client of chat completions has sent."""
    document = Document({}, {})
    return Call("c", Caller("k", "g"), "a", None, document, False, False, [], "", 0.0, format="openai")


class Stage:
    """A recorder, the clock that it goes by, and what it logged."""

    def __init__(self) -> None:
        self.out, self.now = io.BytesIO(), 100.0
        self.recorder = Recorder(logs.to(self.out), Clock(lambda: self.now, lambda: 1e9))

    def close(self, *outcomes: Outcome) -> list[Any]:
        """Close these calls; return their log lines, without the time."""
        for each in outcomes:
            self.recorder.close(each, PRICES, call())
        return [{**json.loads(line), "at": 0} for line in self.out.getvalue().splitlines()]

    def taken(self) -> tuple[Any, ...]:
        """What a flush takes, as it goes to the store, and what metrics have."""
        batch = self.recorder.take("a")
        assert batch is not None
        batch.cells.sent_at = self.now
        cells = {(age, key, arm): tally.to_fields() for age, key, arm, tally in batch.cells.aged()}
        spent = [
            (age, spending.rows, {key: nano_usd for key, (nano_usd, _) in spending.conversations.items()})
            for age, spending in batch.cells.aged_spending()
        ]
        samples = self.recorder.samples()
        del samples[OVERHEAD.name]  # of some of the calls alone
        return cells, spent, samples


VARIANTS = [
    [good(number) for number in range(12)],
    [good(number, stream=True, first_token_at=99.9 - number) for number in range(6)],
    [good(number, reason="shadow", arm=None) for number in range(3)],
    [good(number, reason="model", arm=None, agent="a", version="p/m") for number in range(3)],
    [good(number, censored=number > 1, held=number > 2, request_id="a\x7f\u2028ü") for number in range(4)],
    [good(1), replace(good(2), hedge="lost"), replace(good(3), end="client_gone"), good(4)],
]


@pytest.mark.parametrize("outcomes", VARIANTS)
def test_calls_count_together_as_they_do_one_by_one(outcomes: list[Outcome]) -> None:
    """Sums, costs, metrics and log lines are the same, whatever the calls have in common."""
    together, apart = Stage(), Stage()
    lines = together.close(*(replace(each) for each in outcomes))
    others = apart.close(*(replace(each, refusal="odd") for each in outcomes))  # so none is usual
    assert lines == [{**line, "why": None} for line in others]
    assert together.taken() == apart.taken()


@pytest.mark.parametrize(
    "change",
    [
        {"end": "failed"}, {"hedge": "won"}, {"refusal": "no"}, {"attempts": []},
        {"attempts": [Attempt("p/m", 0.0, failure="timeout", usage=Usage(1), cost_nano_usd=1)]},
        {"attempts": [Attempt("p/m", 0.0, cost_nano_usd=1)]}, {"attempts": [Attempt("p/m", 0.0, usage=Usage(1))]},
        {"attempts": [Attempt("p/m", 0.0, usage=Usage(1), cost_nano_usd=1, rejected=True)]},
    ],
)  # fmt: skip
def test_a_call_is_usual_only_if_nothing_is_odd(change: dict[str, Any]) -> None:
    """Any failure, refusal, hedge or missing number is counted by itself."""
    assert is_usual(good()) and not is_usual(replace(good(), **change))


def test_metrics_have_calls_that_wait() -> None:
    """Whoever reads the counters sees every call that has ended."""
    stage = Stage()
    stage.close(good())
    assert sum(values[0] for values in stage.recorder.samples()[CALLS.name].values()) == 1


def test_calls_of_another_second_count_apart() -> None:
    """However long the flush takes to come: each has the age that it has."""
    stage = Stage()
    for stage.now in (100.5, 100.75, 101.5, 107.5):
        stage.close(replace(good(), received_at=stage.now - 0.1))
    cells, *_ = stage.taken()
    assert [(age, tally["requests"]) for (age, *_), tally in cells.items()] == [(7.0, 2), (6.0, 1), (0.0, 1)]


def test_what_waits_is_bounded() -> None:
    """A busy second is added up in parts, and kinds are forgotten when they are too many."""
    usual = UsualCalls(lambda _: b"{")
    for number in range(AT_ONCE):
        assert not usual.is_due(0.5)
        usual.note(good(), f"model-{number}", None)
    assert usual.is_due(0.5) and len(usual.take(0.5)) == AT_ONCE
    for number in range(12_000):
        usual.note(good(), f"model-{number}", None)
        usual.take()
    assert len(usual._kinds) <= 5_000


def test_a_long_name_of_a_conversation_costs_under_one_name() -> None:
    """Whether or not records of its calls are dropped."""
    stage = Stage()
    stage.recorder.finished._most = 1
    stage.close(*(replace(good(), unit=f"u{number}", conversation="x" * 1000) for number in range(3)))
    batch = stage.recorder.take("a")
    assert batch and [len(spending.conversations) for _, spending in batch.cells.aged_spending()] == [1]
