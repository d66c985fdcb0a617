"""Reasons why a version's calls failed: the most frequent ones of a rollout, each with its count and its latest calls.

A reason is what the failures have in common: numbers and quoted names are left out of its message. Every version keeps
`MOST` of them, here and in the store; what comes beyond takes the place of the rarest, and is told in `others`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

MOST = 20  # reasons of a version and rollout
CALLS = 3  # latest calls of a reason
OTHERS = "others"  # the field of the failures whose reason is not kept any more
_LONGEST = 160  # characters of a message
_NUMBER = re.compile(r"\d+")
_QUOTED = re.compile(r"'[^']*+'|\"[^\"]*+\"|`[^`]*+`")
_NAME = re.compile(r".[a-z]+(?:_[a-z]+)*+.")


class FailureReason(NamedTuple):
    """Common part of some failures. `is_error` says whether they count as errors of the version."""

    target: str
    failure: str
    status: int | None
    code: str
    message: str
    is_error: bool


@dataclass(slots=True)
class Failures:
    """The failures of one reason: their number, when the last one was in Unix seconds, the latest calls' ids."""

    count: int = 0
    at: float = 0.0
    calls: tuple[str, ...] = ()


@dataclass(slots=True)
class FailureReasons:
    """The reasons of one batch by version, and how many failures had others."""

    of: dict[str, dict[FailureReason, Failures]] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    def note(self, version: str, reason: FailureReason, call_id: str, at: float) -> None:
        """Count one failure."""
        known = self.of.setdefault(version, {})
        failures = known.get(reason)
        if failures is None:
            if len(known) >= MOST:
                rarest = min(known, key=lambda each: (known[each].count, known[each].at))
                self.others[version] = self.others.get(version, 0) + known.pop(rarest).count
            failures = known[reason] = Failures()
        failures.count, failures.at = failures.count + 1, at
        failures.calls = (call_id, *failures.calls)[:CALLS]


@dataclass(frozen=True, slots=True)
class CountedReason:
    """A reason with its failures over all replicas, the most frequent first; `reason` is None for all rarer ones."""

    reason: FailureReason | None
    count: int
    at: float = 0.0
    calls: tuple[str, ...] = ()


ReasonsByVersion = Mapping[str, tuple[CountedReason, ...]]


def common_part(message: str) -> str:
    """The message without what differs from call to call: numbers, and what stands in quotation marks but names."""
    text = _QUOTED.sub(lambda found: found[0] if _NAME.fullmatch(found[0]) else f"{found[0][0]}…{found[0][0]}", message)
    text = _NUMBER.sub("#", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def encode_reasons(reasons: FailureReasons) -> list[tuple[str, str, str, str, str]]:
    """The reasons for flush.lua: field, count, time, calls and description of each, as text."""
    return list(_encoded(reasons))


def decode_reasons(fields: Mapping[str, str]) -> dict[str, tuple[CountedReason, ...]]:
    """The reasons in the hash of flush.lua, by version."""
    found: dict[str, list[CountedReason]] = {}
    for name, text in fields.items():
        version, _, _ = name.rpartition("|")
        numbers, _, described = text.partition("|")
        count, at, *calls = numbers.split()
        reason = FailureReason(*orjson.loads(described)[: len(FailureReason._fields)]) if described else None
        found.setdefault(version, []).append(CountedReason(reason, int(count), float(at), tuple(calls)))
    return {version: tuple(sorted(each, key=_rank)) for version, each in found.items()}


def _rank(counted: CountedReason) -> tuple[bool, int, float]:
    return counted.reason is None, -counted.count, -counted.at


def _encoded(reasons: FailureReasons) -> Iterator[tuple[str, str, str, str, str]]:
    for version, known in reasons.of.items():
        for reason, failures in known.items():
            described = orjson.dumps(tuple(reason)).decode()
            digest = hashlib.blake2b(described.encode(), digest_size=8).hexdigest()
            yield f"{version}|{digest}", str(failures.count), f"{failures.at:.3f}", " ".join(failures.calls), described
    for version, count in reasons.others.items():
        yield f"{version}|{OTHERS}", str(count), "0", "", ""
