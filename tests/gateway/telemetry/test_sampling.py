"""Calls that are exported whatever the sampler says."""

from typing import Any

import pytest

from gateway.calls import Attempt, Outcome
from gateway.telemetry.sampling import REASONS, Sampler, is_exported, reason_for
from gateway.traces.record import Finished, record_of

GOOD, BAD, OTHER = Attempt("p/a", 1.0), Attempt("p/a", 1.0, failure="status", counts=True), Attempt("p/b", 2.0)


def outcome(**parts: Any) -> Outcome:
    made = Outcome("id", "key", "agent", "v1", "split", "unit", 1, 1, parts.pop("arm", None), False, 1.0)
    made.end, made.attempts = parts.pop("end", "answered"), parts.pop("attempts", [GOOD])
    return made


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({}, ""),
        ({"arm": "stable"}, ""),
        ({"end": "client_gone"}, ""),
        ({"end": "refused"}, ""),
        ({"arm": "canary"}, "canary"),
        ({"end": "escalated"}, "escalated"),
        ({"end": "broken"}, "failed"),
        ({"attempts": [], "end": "failed"}, "failed"),
        ({"attempts": [BAD, GOOD]}, "failed"),
        ({"attempts": [Attempt("p/a", 1.0, failure="circuit_open"), OTHER]}, "fallback"),
    ],
)
def test_reason(parts: dict[str, Any], reason: str) -> None:
    """What an operator looks for is there: failures, fallbacks, handovers, the canary."""
    assert reason_for(outcome(**parts), tuple(REASONS)) == reason
    assert reason_for(outcome(**parts), ()) == ""


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({}, False),
        ({"end": "client_gone"}, False),
        ({"arm": "canary"}, True),
        ({"end": "escalated"}, True),
        ({"end": "broken"}, True),
        ({"attempts": [BAD, GOOD]}, True),
        ({"attempts": [Attempt("p/a", 1.0, failure="circuit_open"), OTHER]}, True),
        ({"attempts": [Attempt("p/a", 1.0, failure="overtaken")]}, False),
    ],
)
def test_reason_by_record(parts: dict[str, Any], found: bool) -> None:
    """Another replica, which has the record alone, comes to the same."""
    finished = Finished(outcome(**parts), "openai", "", "", "", "", (), bytes(8))
    assert is_exported(record_of(finished, 0.0), tuple(REASONS)) == found
    assert not is_exported(record_of(finished, 0.0), ())


def test_off() -> None:
    """A sampler that takes nothing is off; one that heeds its clients is not."""
    assert Sampler(0.0, False).is_off and not Sampler(0.0).is_off and not Sampler(0.1, False).is_off
