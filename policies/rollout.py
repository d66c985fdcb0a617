"""The journey of one canary over one stable: its recorded state, and every way that state may change.

`reconcile` answers a changed configuration, `decide` the evidence, `retry` a person. Each returns the Decision to
commit, or None when nothing is to change. A Decision names the epoch that it was made from; whoever commits it
compares and bumps that epoch, so of two deciders one wins. Configuration is intent, this state is the record: a canary
that was rolled back stays at 0 until its content changes or someone says retry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from policies.guardrails import Evidence, Finding, worst

Phase = Literal["pending", "running", "paused", "rolled_back", "completed"]
Action = Literal["start", "set_weight", "end", "roll_back", "retry", "restore"]

CONTROLLER = "controller"
CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version as the record knows it: the name it had, and the digest that it is."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What the configuration asks for. `weight` in basis points; without a canary it is 0."""

    stable: VersionRef
    canary: VersionRef | None
    weight: int


@dataclass(frozen=True, slots=True)
class State:
    """The record of one agent. `phase` is None while no canary is configured: nothing is on trial.

    `weight` is the canary's share now, in basis points. `rollout` is the epoch in which this rollout began and keys
    its tallies; `evidence` the epoch in which the running step began and keys the evidence. `changed_at` is in Unix
    seconds. `rolled_back` maps the digest of every canary taken out to the reason.
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

    def serves(self, intent: Intent) -> bool:
        """Whether this record is about the versions that the configuration names."""
        return self.stable.digest == intent.stable.digest and _digest(self.canary) == _digest(intent.canary)


@dataclass(frozen=True, slots=True)
class Decision:
    """A change to commit: it holds only while the record is still at `expected_epoch` (0: there is no record).

    `evidence` is what it was made from, in plain numbers, so that anyone can compute it again.
    """

    expected_epoch: int
    state: State
    evidence: Mapping[str, Any]


def reconcile(state: State | None, intent: Intent, now: float, highest_epoch: int = 0) -> Decision | None:
    """The decision that makes the record follow a configuration that was just loaded.

    `highest_epoch` is the highest this replica has ever seen, so that a lost record never reuses an epoch.
    """
    if state is None:
        return _begin(None, intent, now, highest_epoch)
    # 1. another stable or canary: a new rollout, or the end of one
    if not state.serves(intent):
        return _begin(state, intent, now, highest_epoch)
    # 2. the same canary at another weight, while it is on trial
    if state.phase == "running" and state.weight != intent.weight:
        reason = f"weight {percent(state.weight)} -> {percent(intent.weight)} in the configuration"
        return _change(state, now, action="set_weight", actor=CONFIGURATION, reason=reason, weight=intent.weight)
    return None


def restore(last_seen: State, found: State | None, now: float) -> Decision:
    """The decision that puts back a record which was lost, or which came back older than what was already seen.

    Towards stable only: a running rollout begins again at its first step with no evidence; one that was rolled back
    stays so.
    """
    reason = "the store lost the record" if found is None else f"the store came back at the older epoch {found.epoch}"
    epoch = last_seen.epoch + 1
    state = replace(
        last_seen, epoch=epoch, rollout=epoch, evidence=epoch, step=min(last_seen.step, 1),
        action="restore", actor=CONTROLLER, reason=f"{reason}; {last_seen.reason}", changed_at=now,
    )  # fmt: skip
    return Decision(found.epoch if found else 0, state, {"lost_epoch": last_seen.epoch})


def decide(state: State, findings: Sequence[Finding], evidence: Evidence, now: float) -> Decision | None:
    """Roll back when a guardrail's breach is proven while the rollout runs; otherwise leave everything as it is."""
    if state.phase != "running" or state.canary is None:
        return None
    finding = worst([finding for finding in findings if finding.verdict == "fail"])
    if finding is None:
        return None
    reason = breach(finding, evidence)
    decision = _change(
        state, now, action="roll_back", actor=CONTROLLER, reason=reason, phase="rolled_back", weight=0,
        rolled_back={**state.rolled_back, state.canary.digest: reason},
    )  # fmt: skip
    guardrail = finding.guardrail
    proof = {"guardrail": guardrail.text, "e_value": finding.e_value, "threshold": guardrail.threshold}
    return replace(decision, evidence={**proof, **asdict(evidence)})


def retry(state: State, intent: Intent, actor: str, reason: str, now: float) -> Decision | None:
    """Put a rolled-back canary on trial again, at its first step and with fresh evidence.

    None when nothing was rolled back, or when the configuration no longer names that canary.
    """
    if state.phase != "rolled_back" or state.canary is None or not state.serves(intent):
        return None
    forgiven = {digest: why for digest, why in state.rolled_back.items() if digest != state.canary.digest}
    decision = _change(
        state, now, action="retry", actor=actor, reason=reason, phase="running", step=1, weight=intent.weight,
        rolled_back=forgiven,
    )  # fmt: skip
    return replace(decision, state=replace(decision.state, rollout=decision.state.epoch))


def breach(finding: Finding, evidence: Evidence) -> str:
    """One sentence that says what was proven, for the record and for the person who reads it at night."""
    canary = f"canary {evidence.canary_errors} errors in {evidence.canary_requests} requests"
    stable = f"stable {evidence.stable_errors} in {evidence.stable_requests}"
    proof = f"E = {finding.e_value:.4g} >= {finding.guardrail.threshold:g}"
    return f"{finding.guardrail.text} is breached: {canary}, {stable}; {proof}"


def percent(basis_points: int) -> str:
    """`500` basis points as `5%`."""
    return f"{basis_points / 100:g}%"


def _begin(state: State | None, intent: Intent, now: float, highest_epoch: int) -> Decision:
    """A new rollout of the intent's canary, or the end of the old one when the intent has none."""
    expected = state.epoch if state else 0
    epoch = max(expected, highest_epoch) + 1
    rolled_back = state.rolled_back if state else {}
    phase, action, weight, reason = _beginning(state, intent, rolled_back)
    new = State(
        epoch=epoch, phase=phase, step=1 if phase == "running" else 0, weight=weight, stable=intent.stable,
        canary=intent.canary, rollout=epoch, evidence=epoch, reason=reason, actor=CONFIGURATION, action=action,
        changed_at=now, rolled_back=rolled_back,
    )  # fmt: skip
    return Decision(expected, new, {})


def _beginning(
    state: State | None, intent: Intent, rolled_back: Mapping[str, str]
) -> tuple[Phase | None, Action, int, str]:
    """Phase, action, weight and reason with which an intent that differs from the record begins."""
    if intent.canary is None:
        return None, "end" if state else "start", 0, f"no canary; {intent.stable.version} serves everything"
    if why := rolled_back.get(intent.canary.digest):
        return "rolled_back", "start", 0, f"this canary was rolled back before ({why}); change it, or say retry"
    reason = f"{intent.canary.version} on trial at {percent(intent.weight)} over {intent.stable.version}"
    return "running", "start", intent.weight, reason


def _change(state: State, now: float, **changes: Any) -> Decision:
    """The same rollout, one epoch on, with fresh evidence."""
    epoch = state.epoch + 1
    new = replace(state, epoch=epoch, evidence=epoch, changed_at=now, **changes)
    return Decision(state.epoch, new, {})


def _digest(ref: VersionRef | None) -> str | None:
    return ref.digest if ref else None
