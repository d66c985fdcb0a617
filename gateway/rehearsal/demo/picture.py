"""A moment of the demo as plain values, for any display."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from gateway.rehearsal.demo.files import CANARY, REFUSED, STABLE
from gateway.rehearsal.demo.ledger import shares
from gateway.rehearsal.demo.sight import Sight
from gateway.rehearsal.demo.story import Story
from gateway.rollout.status_view import CallSums

_SETTLING_SECONDS = 2.0  # a change of version is shown once it is clear that nobody was changing the split


@dataclass(frozen=True, slots=True)
class Row:
    """A version. `weight` is its intended share, `share` its actual one since the split last changed; both 0…1."""

    version: str
    role: str
    weight: float
    share: float
    sums: CallSums | None


@dataclass(frozen=True, slots=True)
class Picture:
    """The current picture. `phases` is what each replica reports, `page` the address of the status page.

    `gate` says why the canary gets no calls, where it is not its calls that decide.
    """

    seconds: float
    act: str
    rows: tuple[Row, Row]
    e_value: float
    threshold: float
    phases: tuple[str, ...]
    calls: int
    calls_per_second: float
    client_errors: int
    rescued: int
    escalated: int
    flips: int
    broken: bool
    rolled_back: bool
    page: str
    gate: str = ""

    @property
    def proof(self) -> float:
        """Closeness of the evidence to the threshold, on a logarithmic scale from 1: 0 to 1."""
        return min(max(log(max(self.e_value, 1.0)) / log(self.threshold), 0.0), 1.0)


def picture(story: Story, now: float) -> Picture:
    """The moment `now`, in Unix seconds."""
    facts, ledger = story.facts, story.stage.ledger
    sights = [sight for sight in story.stage.sights if sight is not None]
    sight = sights[0] if sights else None
    weight = sight.weight if sight else 0.0
    got = shares(ledger.since(max(facts.split_at or 0.0, *facts.applied_at.values(), 0.0)))
    sums = sight.versions if sight else {}
    canary = REFUSED if sight and sight.is_gated else CANARY
    return Picture(
        seconds=now - story.began_at, act=story.act,
        rows=(_row(STABLE, "stable", 1 - weight, got, sums), _row(canary, "canary", weight, got, sums)),
        e_value=sight.e_value if sight else 1.0, threshold=sight.threshold if sight else 100.0,
        phases=tuple(map(_phase, sights)), calls=ledger.total, calls_per_second=ledger.rate(now),
        client_errors=ledger.errors, rescued=ledger.rescued, escalated=ledger.escalated,
        flips=ledger.flips([*facts.changes, (now - _SETTLING_SECONDS, now)]),
        broken=facts.broken_at is not None, rolled_back=facts.rolled_back_at is not None,
        page=story.stage.page, gate=sight.reason if sight and sight.is_gated else "",
    )  # fmt: skip


def _row(version: str, role: str, weight: float, got: Mapping[str, float], sums: Mapping[str, CallSums]) -> Row:
    return Row(version, role, weight, got.get(version, 0.0), sums.get(version))


def _phase(sight: Sight) -> str:
    return f"{sight.phase} at {sight.weight:.0%}" if sight.phase else "no trial"
