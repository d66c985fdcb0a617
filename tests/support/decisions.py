"""Batches and decisions to put into a store."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.store import Arm, Batch
from gateway.store.cells import ArmOfSeries, Cells
from policies.evidence.evidence import WHOLE
from policies.evidence.tally import Tally
from policies.rollout.rollout import Decision, reconcile
from policies.rollout.state import Intent, State, Step, VersionRef

STABLE = VersionRef("v1", "digest-1")
CANARY = VersionRef("v2", "digest-2")
INTENT = Intent(STABLE, CANARY, (Step(500),))


def beginning() -> Decision:
    """The first decision over an agent without a record: epoch 1, v2 on trial at 5 %."""
    decision = reconcile(None, INTENT, now=0.0)
    assert decision
    return decision


def following(state: State, **changes: Any) -> Decision:
    """A decision that takes `state` one epoch on."""
    return Decision(state.epoch, replace(state, epoch=state.epoch + 1, **changes), {})


def batch(*, stable: Arm | None = None, canary: Arm | None = None, tallies: dict[str, Tally] | None = None) -> Batch:
    """Counts of rollout 1 and evidence epoch 1."""
    return Batch(1, 1, cells_of(tallies or {}), stable or Arm(), canary or Arm())


def cells_of(tallies: Mapping[str, Tally], arm: ArmOfSeries = "", at: float = 0.0) -> Cells:
    """These tallies of calls that ended at the same time, in monotonic seconds."""
    cells = Cells()
    for key, tally in tallies.items():
        cells.tally(key, arm, at).merge(tally)
    return cells


def failing(*units: str, requests: int = 0) -> Arm:
    """An arm in which each of these units failed a call; `requests` are as many, unless more are given."""
    return Arm(requests or len(units), len(units), bad={"errors": dict.fromkeys(units, WHOLE)})
