"""Which recorded calls a judge may grade."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.live_judge.live_judge import may_be_judged
from gateway.rollout.call_id import Booking
from tests.support.traces import made

ANSWER = ContentMessage("assistant", (ContentPart("text", "yes"),))
CONTENT = CallContent((), ANSWER)
BOOKING = Booking(b"a", b"v", "canary", False, 1, 1, "ab")
RECORD = replace(made("1", 0), end="answered", reason="split")
OWN = replace(RECORD.attempts[0], is_answer=True)


def test_a_version_that_has_answered() -> None:
    """An answer that the version itself gave wholly is graded, also after a retry."""
    failed = replace(OWN, is_answer=False, failure="status")
    assert may_be_judged(replace(RECORD, attempts=(OWN,)), CONTENT, BOOKING)
    assert may_be_judged(replace(RECORD, attempts=(failed, OWN)), CONTENT, BOOKING)


@pytest.mark.parametrize(
    ("record", "content", "booking"),
    [
        ({"end": "broken"}, {}, {}),
        ({"reason": "pin"}, {}, {}),
        ({"attempts": (replace(OWN, is_fallback=True),)}, {}, {}),
        ({"attempts": (replace(OWN, is_hedge=True),)}, {}, {}),
        ({"attempts": ()}, {}, {}),
        ({}, {"answer": None}, {}),
        ({}, {"complete": False}, {}),
        ({}, {}, {"answered": False}),
        ({}, {}, {"apart": True}),
    ],
)
def test_what_is_no_answer_of_the_version(record: Any, content: Any, booking: Any) -> None:
    """Fallbacks, hedges, pins, handovers and broken answers are left out."""
    call = replace(replace(RECORD, attempts=(OWN,)), **record)
    assert not may_be_judged(call, replace(CONTENT, **content), BOOKING._replace(**booking))
