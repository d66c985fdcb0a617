"""Books of a run joined: what clients saw, what replicas logged, what the provider served, by the tag of a request."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.soak.clients import Result
from bench.soak.journal import Entry
from bench.soak.settings import NANO_INPUT, NANO_OUTPUT
from bench.soak.world import Lifetime, World
from gateway.rehearsal.standin import EndedCall

_TAG = re.compile(rb"soak-\d+\.")
# Attempts that no provider has seen.
UNSENT = frozenset({"connect", "circuit_open"})
BUFFERED_SECONDS = 1.5  # what a replica had not reported yet when it was killed; a flush is due every 0.1 s
RECOVERS_SECONDS = 4.0  # after a fault of the store: it loads its file, and clients connect again
REACHES_BACK = 15.0  # seconds for which a fault explains: a circuit opens, and the total limit of a call is 8 s


@dataclass(slots=True)
class Case:
    """All that is known under one tag."""

    results: list[Result] = field(default_factory=list)
    lines: list[Mapping[str, Any]] = field(default_factory=list)
    served: list[EndedCall] = field(default_factory=list)

    @property
    def sent_again(self) -> int:
        """How many requests went out once more: a kept connection had ended within a second, before a byte came."""
        lost = sum(call.fault == "reset" or not call.is_whole for call in self.served)
        return min(lost, max(0, len(self.served) - has_reached(self)))

    @property
    def billed(self) -> tuple[int, int]:
        """Tokens of input and output that the provider charged."""
        return sum(each.bill.prompt for each in self.served), sum(each.bill.completion for each in self.served)

    @property
    def recorded(self) -> tuple[int, int]:
        """Tokens of input and output that the replicas recorded."""
        return sum(line["input_tokens"] for line in self.lines), sum(line["output_tokens"] for line in self.lines)

    @property
    def is_estimated(self) -> bool:
        """Return whether of some answer no provider has said what it charges."""
        failures = {failure for _, _, failure in self.attempts}
        unsaid = "error_in_answer" in failures or self.sent_again > 0
        return unsaid or any(line["estimated"] for line in self.lines)

    @property
    def attempts(self) -> list[tuple[str, int | None, str | None]]:
        """Target, status and failure of each, over all calls."""
        return [(target, status, failure) for line in self.lines for target, status, failure in line["attempts"]]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A time in which a call that ended at that replica (any, where none is named) may be lost to the store."""

    lifetime: str
    since: float
    until: float
    why: str

    def covers(self, lifetime: str, at: float) -> bool:
        return self.lifetime in ("", lifetime) and self.since <= at <= self.until


def has_reached(case: Case) -> int:
    """Return how many attempts the provider must have seen, by the replicas' own account."""
    return sum(failure not in UNSENT for _, _, failure in case.attempts)


def nano(line: Mapping[str, Any]) -> int:
    """Nano-dollars of a call's line."""
    return round((line["cost_usd"] or 0.0) * 1e9)


def charged(calls: Iterable[EndedCall]) -> int:
    """Nano-dollars that the provider charges for calls."""
    return sum(each.bill.prompt * NANO_INPUT + each.bill.completion * NANO_OUTPUT for each in calls)


def log_of(lifetime: Lifetime) -> list[dict[str, Any]]:
    """What a replica logged, each line with the lifetime's name; the last line of a killed one may be torn."""
    whole = lifetime.served.out.read_text().rpartition("\n")[0]
    return [{**json.loads(line), "lifetime": lifetime.name} for line in whole.splitlines()]


def cases(
    results: Iterable[Result], lines: Iterable[Mapping[str, Any]], served: Iterable[EndedCall]
) -> dict[str, Case]:
    """Join them by tag."""
    found: dict[str, Case] = defaultdict(Case)
    for result in results:
        found[result.asked.tag].results.append(result)
    for line in lines:
        found[line["request_id"] or ""].lines.append(line)
    for call in served:
        tag = _TAG.search(call.request)
        found[tag[0].decode() if tag else ""].served.append(call)
    return dict(found)


def doubts(world: World, since: float, until: float) -> list[Doubt]:
    """When calls may be lost to the store between these times: a replica died, could not report, or all was erased."""
    found: list[Doubt] = []
    for each in world.lifetimes:
        if not since <= each.ended <= until:
            continue
        begins = _unreported_since(world, each.ended)
        if each.was_killed:
            found.append(Doubt(each.name, begins, each.ended + BUFFERED_SECONDS, "killed"))
        elif begins < each.ended - BUFFERED_SECONDS:
            found.append(Doubt(each.name, begins, each.ended, "ended without a store"))
    for entry in world.journal.of("store", since, until):
        if entry.fault == "store emptied":
            found.append(Doubt("", since, entry.until + BUFFERED_SECONDS, "erased"))
    return found


def _unreported_since(world: World, at: float) -> float:
    """Return since when a replica that ends now may not have reported: since its store was away, or was slow."""
    begins = at - BUFFERED_SECONDS
    while away := [
        entry.since for entry in _faults_of_store(world, begins, at) if entry.since < begins + BUFFERED_SECONDS
    ]:
        begins = min(away) - BUFFERED_SECONDS
    return begins


def _faults_of_store(world: World, since: float, until: float) -> list[Entry]:
    found = world.journal.of("store", since - RECOVERS_SECONDS, until)
    return [entry for entry in found if entry.fault != "store emptied" and entry.since < until]


def split(lines: Sequence[Mapping[str, Any]], found: Sequence[Doubt]) -> tuple[list[Any], list[Any]]:
    """Lines whose calls are in the store for certain, and those that may be lost."""
    certain: list[Any] = []
    doubtful: list[Any] = []
    for line in lines:
        in_doubt = any(doubt.covers(line["lifetime"], line["at"]) for doubt in found)
        (doubtful if in_doubt else certain).append(line)
    return certain, doubtful
