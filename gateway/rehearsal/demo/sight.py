"""A replica's view of the agent: its `/status`, and the log lines that the demo shows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.rehearsal.demo.files import AGENT, CANARY, WEIGHT
from gateway.rollout.status_view import StatusView, VersionView


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
    versions: Mapping[str, VersionView]

    @property
    def on_trial(self) -> bool:
        """Return whether this replica splits the traffic."""
        return self.phase == "running" and abs(self.weight - WEIGHT) < 1e-9

    @property
    def rolled_back(self) -> bool:
        """Return whether the canary was taken out, and gets nothing from this replica any more."""
        return self.phase == "rolled_back" and self.weight == 0.0

    @property
    def is_gated(self) -> bool:
        """Return whether the canary waits for its evaluation, and gets nothing from this replica."""
        return self.phase == "pending" and self.weight == 0.0

    @property
    def is_refused(self) -> bool:
        """Return whether it waits because it has not passed."""
        return self.is_gated and "has not passed its evaluation" in self.reason

    @property
    def canary(self) -> VersionView | None:
        return self.versions.get(CANARY)


def read(view: StatusView) -> Sight:
    """Return the sight in the status of one replica."""
    agent = view.agents[AGENT]
    return Sight(
        replica=view.gateway.replica, phase=agent.phase, weight=agent.weight, epoch=agent.epoch,
        e_value=agent.e_value, threshold=agent.threshold,
        reason=agent.reason, actor=agent.last_decision.actor if agent.last_decision else "",
        changed_at=_unix(agent.changed_at), config_error=view.gateway.config.error, versions=agent.versions,
    )  # fmt: skip


def applied_at(log: Iterable[str], epoch: int) -> float | None:
    """Return when a replica applied the record of that epoch, by its log, in Unix seconds; None if it never did."""
    return next((event["at"] for event in _events(log, "record_applied") if event["epoch"] == epoch), None)


def _events(log: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    mark = f'"event":"{name}"'
    return (json.loads(line) for line in log if mark in line)


def _unix(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
