"""Promises of the demo, compared with what was observed. Pure: the facts in, a list of check marks out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, lgamma, log
from typing import Any

from gateway.number_words import usd
from gateway.rehearsal.demo.files import CANARY, REFUSED, STABLE, WEIGHT
from gateway.rehearsal.demo.ledger import ClientCall, Ledger, Window, openings
from gateway.rollout.status_view import CallSums

ALPHA = 1e-4  # how often an honest split may fall outside its bounds
MOST_CANARY_REQUESTS = (
    100  # from the break to the rollback; a simulation of the demo had 26 at the median, 73 at 99.9 %
)
MOST_TURNING_SECONDS = 1.5  # the poll, which is the truth where an announcement was lost


@dataclass(frozen=True, slots=True)
class Check:
    """A promise, whether it was kept, and the numbers."""

    title: str
    kept: bool
    detail: str


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """Verdict of an evaluation. `code` is the exit code of its command: 1 for a version that failed."""

    code: int
    sentence: str
    worse: int
    cases: int


@dataclass(slots=True)
class StoryFacts:
    """Facts that the story noted so far; times in Unix seconds.

    `edited_at`: routing.yaml was written; `split_at`: both replicas were seen to split; `broken_at`: the canary's
    model began to fail, when `canary_before` requests had gone to it; `first_failure_at`: the first of its calls that
    needed a second attempt was begun. `applied_at` holds each replica's turn back to stable. `gated_at`: the next
    version was put behind the gate; `refused_at`: both replicas were seen to refuse it for its `verdict`.
    """

    edited_at: float | None = None
    split_at: float | None = None
    broken_at: float | None = None
    canary_before: int = 0
    first_failure_at: float | None = None
    rolled_back_at: float | None = None
    actor: str = ""
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    rollbacks: int = 0
    applied_at: Mapping[str, float] = field(default_factory=dict)
    quiet_until: float | None = None
    sums: Mapping[str, CallSums] = field(default_factory=dict)
    gated_at: float | None = None
    verdict: DemoVerdict | None = None
    refused_at: float | None = None

    @property
    def changes(self) -> list[Window]:
        """Return the spans in which the split changed, so that a conversation may have changed its version."""
        trial = (self.edited_at, self.split_at)
        rollback = (self.rolled_back_at, max(self.applied_at.values(), default=None))
        return [(start, end) for start, end in (trial, rollback) if start is not None and end is not None]

    @property
    def propagation_seconds(self) -> float | None:
        """Seconds from the recorded rollback until the last replica applied it."""
        if self.rolled_back_at is None or not self.applied_at:
            return None
        return max(max(self.applied_at.values()) - self.rolled_back_at, 0.0)

    @property
    def canary_requests(self) -> int | None:
        """Canary requests from the break to the rollback."""
        total = self.evidence.get("canary_requests")
        return None if total is None else max(total - self.canary_before, 0)

    @property
    def detection_seconds(self) -> float | None:
        """Seconds from the start of the first failing call to the rollback."""
        if self.rolled_back_at is None or self.first_failure_at is None:
            return None
        return max(self.rolled_back_at - self.first_failure_at, 0.0)


def checks(facts: StoryFacts, ledger: Ledger) -> list[Check]:
    """Every promise, in the order in which the story comes to it."""
    return [
        _reloaded(facts),
        _split(facts, ledger),
        _sticky(facts, ledger),
        _patient(facts),
        _rolled_back(facts),
        _quick(facts),
        _everywhere(facts),
        _out(facts, ledger),
        _unnoticed(ledger),
        _priced(facts),
        _recorded(facts),
        _refused(facts, ledger),
    ]


def bounds(count: int, probability: float, alpha: float = ALPHA) -> tuple[int, int]:
    """The least and the most successes in `count` trials that are not surprising, with alpha/2 beyond either."""
    below, low = 0.0, 0
    for k in range(count + 1):
        below += _binomial(k, count, probability)
        if below <= alpha / 2:
            low = k + 1
        if below >= 1 - alpha / 2:
            return low, k
    return low, count


def _binomial(k: int, n: int, p: float) -> float:
    ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return exp(ways + k * log(p) + (n - k) * log(1 - p))


def _reloaded(facts: StoryFacts) -> Check:
    title = "both replicas took up routing.yaml while serving"
    if facts.edited_at is None or facts.split_at is None:
        return Check(title, False, "not seen")
    return Check(title, True, f"{facts.split_at - facts.edited_at:.2f} s after the edit")


def _split(facts: StoryFacts, ledger: Ledger) -> Check:
    title = f"about {WEIGHT:.0%} of the conversations went to {CANARY}"
    if facts.split_at is None:
        return Check(title, False, "there was no split")
    begun = openings(_on_trial(facts, ledger))
    total, canary = begun.total(), begun[CANARY]
    low, high = bounds(total, WEIGHT)
    detail = f"{canary} of {total} ({canary / max(total, 1):.1%}); chance allows {low} to {high}"
    return Check(title, total > 0 and low <= canary <= high, detail)


def _on_trial(facts: StoryFacts, ledger: Ledger) -> list[ClientCall]:
    end = facts.rolled_back_at if facts.rolled_back_at is not None else float("inf")
    return ledger.since(facts.split_at or 0.0, end)


def _sticky(facts: StoryFacts, ledger: Ledger) -> Check:
    flips = ledger.flips(facts.changes)
    return Check("no conversation changed its version", flips == 0, f"{flips} did, over both replicas")


def _patient(facts: StoryFacts) -> Check:
    title = f"{CANARY} was left alone while it was well"
    if facts.broken_at is None:
        return Check(title, False, "the trial did not get that far")
    return Check(title, True, f"{facts.canary_before} requests over {facts.broken_at - (facts.split_at or 0):.0f} s")


def _rolled_back(facts: StoryFacts) -> Check:
    by = f"by the {facts.actor}" if facts.actor else "no rollback seen"
    return Check("the gateway rolled it back by itself", facts.actor == "controller", by)


def _quick(facts: StoryFacts) -> Check:
    title = f"within {MOST_CANARY_REQUESTS} canary requests of the break"
    if facts.canary_requests is None:
        return Check(title, False, "no rollback seen")
    seconds = facts.detection_seconds
    after = "" if seconds is None else f", {seconds:.1f} s after the first failure"
    return Check(title, facts.canary_requests <= MOST_CANARY_REQUESTS, f"{facts.canary_requests}{after}")


def _everywhere(facts: StoryFacts) -> Check:
    seconds = facts.propagation_seconds
    detail = (
        "not seen" if seconds is None else f"{len(facts.applied_at)} replicas, the last after {seconds * 1e3:.0f} ms"
    )
    kept = seconds is not None and len(facts.applied_at) == 2 and seconds <= MOST_TURNING_SECONDS
    return Check("both replicas turned to stable", kept, detail)


def _out(facts: StoryFacts, ledger: Ledger) -> Check:
    title = f"{CANARY} got no call after that"
    if facts.quiet_until is None or not facts.applied_at:
        return Check(title, False, "not seen")
    calls = ledger.since(max(facts.applied_at.values()), facts.quiet_until)
    served = sum(call.version == CANARY for call in calls)
    return Check(title, bool(calls) and served == 0, f"{served} of {len(calls)} calls")


def _unnoticed(ledger: Ledger) -> Check:
    kept = ledger.total > 0 and ledger.errors == 0 and ledger.escalated == 0
    handed = f", {ledger.escalated} handed to a person" if ledger.escalated else ""
    return Check("no client saw an error", kept, f"{ledger.errors} of {ledger.total:,} calls{handed}")


def _priced(facts: StoryFacts) -> Check:
    costs = {name: facts.sums[name].cost_per_request_usd for name in (STABLE, CANARY) if name in facts.sums}
    kept = len(costs) == 2 and all(costs.values()) and not any(sums.unpriced for sums in facts.sums.values())
    detail = ", ".join(f"{name} {'unknown' if cost is None else usd(cost)} a call" for name, cost in costs.items())
    return Check("what each version costs is known", kept, detail or "not seen")


def _recorded(facts: StoryFacts) -> Check:
    return Check("exactly one rollback in the audit trail", facts.rollbacks == 1, f"{facts.rollbacks} in it")


def _refused(facts: StoryFacts, ledger: Ledger) -> Check:
    title, verdict = f"the gate kept the worse {REFUSED} at 0 %", facts.verdict
    if facts.gated_at is None or facts.refused_at is None or verdict is None:
        return Check(title, False, "not seen")
    served = sum(call.version == REFUSED for call in ledger.since(facts.gated_at))
    detail = f"worse on {verdict.worse} of {verdict.cases} cases; {served} calls"
    return Check(title, verdict.code == 1 and served == 0, detail)
