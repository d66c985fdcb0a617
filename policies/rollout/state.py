"""The record of one agent: what is on trial, how far it has come, and what has become of it.

How it changes is said by `policies.rollout.rollout` and `policies.rollout.verbs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from policies.rollout.gate import Gate

Phase = Literal["pending", "running", "paused", "rolled_back", "completed"]
Action = Literal[
    "start", "set_weight", "end", "roll_back", "retry", "restore", "freeze", "advance", "complete", "pause", "resume",
    "promote", "abort", "approve", "pin", "unpin", "dismiss", "steps",
    "exclude", "wait",
]  # fmt: skip

WHOLE_WEIGHT = 10_000
HOLDBACK = 200  # basis points that stay on stable during a step of 100 %, so that a control exists


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version as the record knows it: the name it had, and the digest that it is."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a rollout. `weight` in basis points, `hold` in seconds; None is a trial of one weight."""

    weight: int
    hold: float | None = None
    min_requests: int = 0
    approval: bool = False

    @property
    def share(self) -> int:
        """The share that the canary really gets, in basis points."""
        return min(self.weight, WHOLE_WEIGHT - HOLDBACK) if self.hold is not None else self.weight

    @property
    def words(self) -> str:
        """The requirements of the step, such as `25% for 600 s, 100 requests, approval`."""
        hold = "" if self.hold is None else f" for {self.hold:g} s"
        requests = f", {self.min_requests} requests" if self.min_requests else ""
        return f"{percent(self.weight)}{hold}{requests}{', approval' if self.approval else ''}"


@dataclass(frozen=True, slots=True)
class Intent:
    """Intent of the configuration; without a canary there are no steps. `gate` is what the canary must pass first."""

    stable: VersionRef
    canary: VersionRef | None
    steps: tuple[Step, ...] = ()
    gate: Gate | None = None

    def refusal(self, now: float) -> str:
        """Return why no rollout of the canary may begin, '' when one may."""
        if self.gate is None or self.canary is None:
            return ""
        return self.gate.refusal(self.stable.digest, self.canary.digest, self.canary.version, now)


@dataclass(frozen=True, slots=True)
class State:
    """The record of one agent. `phase` is None while no canary is configured: nothing is on trial. A `pending` canary
    waits for its evaluation.

    `step` counts from 1, `weight` is the canary's share now in basis points. `rollout` is the epoch in which this
    rollout began and keys its tallies; `evidence` the epoch in which the running step's evidence began, `segment` how
    many of those there have been, `offset` the minutes that the earlier ones took, `banked` what their components are
    worth. `frozen` holds this step's thresholds (seconds; caps). `began_at` is when the step began and `changed_at`
    the last change, in Unix seconds. `rolled_back` maps the digest of every canary taken out to the reason. `steps`
    are the steps that the rollout follows; empty in a record from before they were kept. `replaced` are the digests of
    versions that earlier rollouts have replaced: conversations under way may keep them. `earlier` are the evidence
    epochs and weights of this rollout's earlier steps whose conversations are still evidence. `excluded` are the
    parties that get stable because their calls alone have shown a breach (decision 40), `acknowledged` those of them
    without whom a person has promoted the rollout: they hold no further step. `spent` says that the canary has used up
    its budget, so that it is paused at weight 0 until a person resumes it (decision 71).
    """

    epoch: int
    phase: Phase | None
    step: int
    weight: int
    stable: VersionRef
    canary: VersionRef | None
    rollout: int
    evidence: int
    reason: str
    actor: str
    action: Action
    changed_at: float
    rolled_back: Mapping[str, str]
    began_at: float = 0.0
    segment: int = 1
    offset: int = 0
    banked: Mapping[str, float] = field(default_factory=dict)
    frozen: Mapping[str, float] = field(default_factory=dict)
    approved: bool = False
    pinned: bool = False
    dismissed: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    replaced: tuple[str, ...] = ()
    earlier: tuple[tuple[int, int], ...] = ()
    excluded: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    spent: bool = False

    def serves(self, intent: Intent) -> bool:
        """Return whether this record is of the versions that the configuration names."""
        return self.stable.digest == intent.stable.digest and _digest(self.canary) == _digest(intent.canary)

    def kept(self, intent: Intent) -> tuple[str, ...]:
        """Digests of the versions beside the configured stable that conversations under way may keep.

        A rollout that begins, goes on, completes or gives way to the next one moves no conversation. A person does who
        names another stable version, or takes the canary out.
        """
        canary = (self.canary.digest,) if self.canary and self.phase in ("running", "paused", "completed") else ()
        if self.phase == "completed" and intent.stable.digest == _digest(self.canary):
            return (self.stable.digest, *self.replaced)
        if intent.stable.digest != self.stable.digest:
            return ()
        if self.phase == "completed" and not self.serves(intent):
            return self.replaced  # the version before the completed one is stable again
        return (*canary, *self.replaced) if intent.canary else self.replaced

    @property
    def on_trial(self) -> bool:
        """Return whether the canary takes a share of the traffic and is watched."""
        return self.phase in ("running", "paused")

    def place_in(self, intent: Intent) -> int:
        """Return the number of the configuration's step that the rollout stands on.

        Steps are followed by their weight: one that is put in or taken out before the current one moves nothing. A step
        whose weight is not there any more is followed by its number, or is the last one.
        """
        if self.steps and self.step and self.steps != intent.steps:
            here = self.steps[min(self.step, len(self.steps)) - 1].weight
            places = (number for number, step in enumerate(intent.steps, 1) if step.weight == here)
            return next(places, min(self.step, len(intent.steps)))
        return min(self.step, len(intent.steps))

    def step_of(self, intent: Intent) -> Step | None:
        """Return the configuration's step that the rollout stands on."""
        return intent.steps[self.place_in(intent) - 1] if intent.steps and self.step else None


def percent(basis_points: int) -> str:
    """`500` basis points as `5%`."""
    return f"{basis_points / 100:g}%"


def _digest(ref: VersionRef | None) -> str | None:
    return ref.digest if ref else None
