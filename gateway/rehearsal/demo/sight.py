"""What one replica says of the agent on `/status`, and what it wrote about turning: the parts that the demo shows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.rehearsal.demo.files import AGENT, CANARY, WEIGHT


@dataclass(frozen=True, slots=True)
class Sums:
    """One version over all replicas. `errors` are those of first attempts, whether a fallback caught them or not."""

    requests: int
    errors: int
    error_rate: float | None
    fallbacks: int
    cost_usd: float | None
    cost_per_request_usd: float | None
    unpriced: int


@dataclass(frozen=True, slots=True)
class Sight:
    """The agent as one replica sees it. `weight` is the share that this very replica gives the canary, 0…1."""

    replica: str
    phase: str | None
    weight: float
    epoch: int
    e_value: float
    threshold: float
    reason: str
    actor: str
    changed_at: float
    config_error: str | None
    versions: Mapping[str, Sums]

    @property
    def on_trial(self) -> bool:
        """Return whether this replica splits the traffic."""
        return self.phase == "running" and abs(self.weight - WEIGHT) < 1e-9

    @property
    def rolled_back(self) -> bool:
        """Return whether the canary was taken out, and gets nothing from this replica any more."""
        return self.phase == "rolled_back" and self.weight == 0.0

    @property
    def canary(self) -> Sums | None:
        return self.versions.get(CANARY)


def read(view: Mapping[str, Any]) -> Sight:
    """The sight in the JSON of `/status`."""
    gateway, agent = view["gateway"], view["agents"][AGENT]
    return Sight(
        replica=gateway["replica"], phase=agent["phase"], weight=agent["weight"], epoch=agent["epoch"],
        e_value=1.0 if agent["e_value"] is None else agent["e_value"], threshold=agent["threshold"] or 100.0,
        reason=agent["reason"], actor=(agent["last_decision"] or {}).get("actor", ""),
        changed_at=_unix(agent["changed_at"]), config_error=gateway["config"]["error"],
        versions={name: _sums(sums) for name, sums in agent["versions"].items()},
    )  # fmt: skip


def applied_at(log: Iterable[str], epoch: int) -> float | None:
    """Return when a replica applied the record of that epoch, by its log, in Unix seconds; None if it never did."""
    return next((event["at"] for event in _events(log, "record_applied") if event["epoch"] == epoch), None)


def _events(log: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    mark = f'"event":"{name}"'
    return (json.loads(line) for line in log if mark in line)


def _sums(sums: Mapping[str, Any]) -> Sums:
    return Sums(**{name: sums[name] for name in Sums.__slots__})


def _unix(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
