"""Verdict of a judge on one call."""

from dataclasses import asdict, dataclass
from typing import Final

import orjson

from gateway.calls import ArmName

LONGEST_REASON: Final = 1_000  # characters


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """The verdict of a judge on a call.

    `call_id` names the call, `conversation` is the key under which its conversation is found. `arm` is None where the
    call was on no arm of a trial. `score` is 0…1, 1 for the best. `reason` is content: bounded, redacted, and only for
    those who may see the call's texts. `judge` is the judge's digest. `at` is in Unix seconds.
    """

    call_id: str
    conversation: str
    agent: str
    version: str
    arm: ArmName | None
    score: float
    passed: bool
    reason: str
    judge: str
    cost_nano_usd: int
    at: float


def encode(verdict: JudgeVerdict) -> str:
    """Return a verdict as text for the store."""
    return orjson.dumps(asdict(verdict)).decode()


def decode(text: str) -> JudgeVerdict:
    """Read back what `encode` has written; members that this release does not know are ignored."""
    members = orjson.loads(text)
    return JudgeVerdict(**{name: members[name] for name in JudgeVerdict.__dataclass_fields__})
