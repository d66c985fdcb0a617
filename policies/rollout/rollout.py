"""The journey of one canary over one stable: the record's state, and how evidence and the configuration change it.

`reconcile` answers a changed configuration, `decide` the evidence; `policies.rollout.verbs` answers a person. Each
returns the Decision to commit, or None when nothing is to change. A Decision names the epoch that it was made from;
whoever commits it compares and bumps that epoch, so of two deciders one wins. Configuration is intent, this state is
the record: a canary that was rolled back stays at 0 until its content changes or someone says retry.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from policies.evidence.evidence import ERRORS, Evidence
from policies.guardrails.exclusion import SoleBreach, sole_breach
from policies.guardrails.grammar import Guardrail
from policies.guardrails.guardrails import MIN_UNITS, Assessment, Finding, bank
from policies.rollout.exclusions import (
    back_in_words,
    end_in_words,
    hold_in_words,
    party_in_words,
    way_on,
    with_end,
    with_kept,
)
from policies.rollout.shown import shown_in_words
from policies.rollout.state import WHOLE_WEIGHT, Action, Intent, Phase, State, Step, percent

CONTROLLER = "controller"
CONFIGURATION = "configuration"
NO_VERDICT_SECONDS = 24 * 3600.0  # a step that could go on but for its evidence pauses after this
WATCH_AFTER_SECONDS = 24 * 3600.0  # a completed canary may still be rolled back for this long

_MOST_REPLACED = 8  # versions of earlier rollouts that conversations under way may still be on

_MOST_EARLIER = 8  # steps whose conversations are evidence beside those of the running one

_APPROVAL = "a person's approval is needed"


@dataclass(frozen=True, slots=True)
class Decision:
    """A change to commit: it holds only while the record is still at `expected_epoch` (0: there is no record).

    `evidence` is what it was made from, in plain numbers, so that anyone can compute it again.
    """

    expected_epoch: int
    state: State
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Findings:
    """Input of `decide`. `blocked` names other reasons to hold: missing data, a sample-ratio mismatch."""

    assessment: Assessment
    evidence: Evidence
    guardrails: tuple[Guardrail, ...]
    blocked: tuple[str, ...] = ()

    def record(self, proven: Finding | None) -> dict[str, Any]:
        """Return the basis of a decision, as plain values for the audit."""
        return {
            "guardrail": proven.guardrail.text if proven else None,
            "e_value": self.assessment.e_value if proven is None or proven.guardrail.relative else proven.e_value,
            "threshold": proven.guardrail.threshold if proven else None,
            "e_values": {finding.guardrail.text: finding.e_value for finding in self.assessment.findings},
            **_figures(self.evidence),
            **asdict(self.evidence),
        }


def _figures(evidence: Evidence) -> dict[str, int]:
    """The plain sums, for a reader in a hurry."""
    return {
        f"{name}_{what}": value
        for name, arm in (("canary", evidence.canary), ("stable", evidence.stable))
        for what, value in (
            ("requests", arm.calls),
            ("errors", arm.errors),
            ("failing", arm.bad_units.get(ERRORS, 0)),
        )
    }


def reconcile(state: State | None, intent: Intent, now: float, highest_epoch: int = 0) -> Decision | None:
    """The decision that makes the record follow a configuration that was just loaded.

    `highest_epoch` is the highest this replica has ever seen, so that a lost record never reuses an epoch.
    """
    if state is None or not (state.serves(intent) or _already_completed(state, intent)):
        return _begin(state, intent, now, highest_epoch)
    if state.phase == "pending":
        refusal = intent.refusal(now)
        if refusal in ("", state.reason):
            return None if refusal else _begin(state, intent, now, highest_epoch)
        return change(state, now, action="wait", actor=CONFIGURATION, reason=refusal)
    if state.excluded and _already_completed(state, intent):
        reason = f"{intent.stable.version} is stable in the configuration, for everybody: {end_in_words(state)}"
        return change(state, now, action="end", actor=CONFIGURATION, reason=reason, excluded=(), acknowledged=())
    step = state.step_of(intent)
    if step is None or not state.on_trial:
        return None
    changes = {"actor": CONFIGURATION, "step": state.place_in(intent), "steps": intent.steps}
    if step.share != state.weight and not state.pinned:
        reason = f"weight {percent(state.weight)} -> {percent(step.share)} in the configuration"
        return new_segment(state, now, action="set_weight", reason=reason, weight=step.share, **changes)
    if state.steps in ((), intent.steps):
        return None
    reason = f"in the configuration: {_in_words(state.steps)} became {_in_words(intent.steps)}"
    return change(state, now, action="steps", reason=reason, **changes)


def restore(last_seen: State, found: State | None, now: float) -> Decision:
    """The decision that puts back a record which was lost, or which came back older than what was already seen.

    Towards stable only: a rollout begins again at its first step, with no evidence, unless a person holds it at a
    weight; `reconcile` then gives it the first step's share. One that was rolled back stays so. Of several losses
    in turn the reason names the last.
    """
    epoch = max(last_seen.epoch, found.epoch if found else 0) + 1
    reason = _loss(last_seen, found)
    before = last_seen.reason.partition("; ")[2] if last_seen.action == "restore" else last_seen.reason
    if last_seen.excluded:
        before = f"{before}; {back_in_words(last_seen.excluded)}"
    state = replace(
        last_seen, epoch=epoch, rollout=epoch, evidence=epoch, segment=1, offset=0, banked={}, frozen={},
        earlier=(), excluded=(), acknowledged=(), action="restore", actor=CONTROLLER, reason=f"{reason}; {before}",
        changed_at=now, began_at=now, step=last_seen.step if last_seen.pinned else min(last_seen.step, 1),
        approved=False,
    )  # fmt: skip
    return Decision(found.epoch if found else 0, state, {"lost_epoch": last_seen.epoch})


def _loss(last_seen: State, found: State | None) -> str:
    if found is None:
        return "the store lost the record"
    if found.epoch < last_seen.epoch:
        return f"the store came back at the older epoch {found.epoch}"
    return f"the store came back with another history at epoch {found.epoch}"


def decide(state: State, intent: Intent, findings: Findings, now: float) -> Decision | None:
    """Return the decision that the evidence requires.

    Roll back on a proven breach, exclude a party that proves one alone, advance after a good step, else None.
    """
    if state.canary is None or not (state.on_trial or _watched_after(state, intent, now)):
        return None
    if findings.assessment.proven is not None:
        return _roll_back(state, findings.assessment.proven, findings, now)
    if sole := sole_breach(findings.assessment.findings, findings.evidence, state.excluded):
        return _exclude(state, sole, findings, now)
    if state.phase != "running" or state.pinned or not state.serves(intent):
        return None
    waits = waits_for(state, intent, findings, now)
    if not waits:
        return _go_on(state, intent, findings, now)
    return _pause_without_verdict(state, intent, waits, now)


def waits_for(state: State, intent: Intent, findings: Findings, now: float) -> tuple[str, ...]:
    """Return why the rollout does not go on to its next step, in words; empty when it may."""
    step = state.step_of(intent)
    kept_from = (hold,) if (hold := hold_in_words(state)) else ()
    if step is None or step.hold is None:
        unending = "there are no steps: the weight stays until the configuration changes"
        return (*kept_from, unending, *findings.assessment.holds)
    waits = list(kept_from)
    if (left := step.hold - (now - state.began_at)) > 0:
        waits.append(f"the step lasts for another {left:.0f} s")
    calls, units = findings.evidence.canary.calls, findings.evidence.canary.units
    if calls < step.min_requests:
        waits.append(f"{step.min_requests - calls} more canary requests are needed")
    if units < MIN_UNITS:
        waits.append(f"{MIN_UNITS - units} more units on the canary are needed")
    if step.approval and not state.approved:
        waits.append(_APPROVAL)
    return (*waits, *findings.assessment.holds, *findings.blocked)


def change(state: State, now: float, **changes: Any) -> Decision:
    """The same step, one epoch on; its evidence stays."""
    return Decision(state.epoch, replace(state, epoch=state.epoch + 1, changed_at=now, **changes), {})


def new_segment(state: State, now: float, **changes: Any) -> Decision:
    """The same rollout at another share: one epoch on, with evidence of its own from here."""
    epoch, earlier = state.epoch + 1, _still_evidence(state, changes.get("weight", state.weight))
    begun = {"evidence": epoch, "segment": state.segment + 1, "began_at": now, "approved": False, "earlier": earlier}
    return change(state, now, **{**begun, **changes})


def _still_evidence(state: State, weight: int) -> tuple[tuple[int, int], ...]:
    """Return the steps whose conversations are evidence in a step of that weight.

    A weight below theirs moves conversations off the canary, so those that are left are no fair sample of theirs.
    """
    steps = (*state.earlier, (state.evidence, state.weight))
    return tuple((evidence, share) for evidence, share in steps if 0 < share <= weight)[-_MOST_EARLIER:]


def banked(decision: Decision, findings: Findings) -> Decision:
    """The decision with the ended step's components frozen into the state. Doing it twice changes nothing."""
    evidence = findings.evidence
    worth = bank(findings.guardrails, evidence)
    return replace(decision, state=replace(decision.state, banked=worth, offset=evidence.clock.next_offset))


def complete(state: State, actor: str, reason: str, now: float) -> Decision:
    """The canary becomes what is trusted; the unchanged file means just that from now on."""
    changes = {"phase": "completed", "weight": WHOLE_WEIGHT, "earlier": ()}
    decision = new_segment(state, now, action="complete", actor=actor, reason=reason, **changes)
    return replace(decision, state=replace(decision.state, reason=with_kept(reason, decision.state)))


def breach(finding: Finding, findings: Findings) -> str:
    """Return a sentence that states what was proven, for the record and for a person who reads it at night."""
    text = f"{finding.guardrail.text} is breached: {shown_in_words(finding.guardrail, findings.evidence)}"
    if not finding.guardrail.relative:
        return f"{text}; E = {finding.e_value:.4g}"
    return f"{text}; E = {findings.assessment.e_value:.4g} over all guardrails"


def _roll_back(state: State, finding: Finding, findings: Findings, now: float) -> Decision:
    assert state.canary is not None, "decide looks only at rollouts"  # noqa: S101
    reason = breach(finding, findings)
    decision = new_segment(
        state, now, action="roll_back", actor=CONTROLLER, reason=with_end(reason, state), phase="rolled_back", weight=0,
        excluded=(), acknowledged=(), rolled_back={**state.rolled_back, state.canary.digest: reason},
    )  # fmt: skip
    return replace(decision, evidence=findings.record(finding))


def _exclude(state: State, sole: SoleBreach, findings: Findings, now: float) -> Decision:
    """Keep a party off the canary; the step and its evidence go on."""
    finding, who = sole.finding, party_in_words(sole.party)
    shown = shown_in_words(finding.guardrail, findings.evidence)
    reason = (
        f"{finding.guardrail.text} is breached by the calls of {who} alone ({sole.share:.0%} of the canary's): "
        f"{shown}; E = {sole.e_value:.4g} by these calls alone, and {finding.unbounded:.4g} by those of all; "
        f"they get {state.stable.version} from now on; {way_on(state)}"
    )
    excluded = (*state.excluded, sole.party)
    decision = change(state, now, action="exclude", actor=CONTROLLER, reason=reason, excluded=excluded)
    record = {**findings.record(None), "guardrail": finding.guardrail.text, "party": sole.party}
    return replace(decision, evidence=record)


def _go_on(state: State, intent: Intent, findings: Findings, now: float) -> Decision:
    if state.place_in(intent) >= len(intent.steps):
        decision = complete(state, CONTROLLER, "the last step ended without a breach", now)
    else:
        decision = advance(state, intent, CONTROLLER, f"step {state.step} ended without a breach", now)
    return replace(banked(decision, findings), evidence=findings.record(None))


def _pause_without_verdict(state: State, intent: Intent, waits: tuple[str, ...], now: float) -> Decision | None:
    """A person has to look after a day in which the evidence allowed no next step; an approval may take longer."""
    step, seconds = state.step_of(intent), now - state.began_at
    undecided = "; ".join(wait for wait in waits if wait != _APPROVAL)
    if step is None or step.hold is None or not undecided or seconds < max(step.hold, NO_VERDICT_SECONDS):
        return None
    reason = f"no verdict for {seconds / 3600:.0f} h: {undecided}"
    return change(state, now, action="pause", actor=CONTROLLER, reason=reason, phase="paused")


def advance(state: State, intent: Intent, actor: str, reason: str, now: float) -> Decision:
    """The next step of the rollout."""
    place = state.place_in(intent)
    step = intent.steps[place]
    text = with_kept(f"{reason}: {percent(state.weight)} -> {percent(step.share)}", state)
    changes = {"step": place + 1, "weight": step.share, "steps": intent.steps}
    return new_segment(state, now, action="advance", actor=actor, reason=text, **changes)


def _watched_after(state: State, intent: Intent, now: float) -> bool:
    """A canary that was completed a short while ago may still be taken back, while there is a stable to go back to."""
    return state.phase == "completed" and state.serves(intent) and now - state.began_at < WATCH_AFTER_SECONDS


def _already_completed(state: State, intent: Intent) -> bool:
    """The operator has made the completed canary the configured stable, as they should: nothing changes by that."""
    return (
        state.phase == "completed"
        and intent.canary is None
        and state.canary is not None
        and intent.stable.digest == state.canary.digest
    )


def _begin(state: State | None, intent: Intent, now: float, highest_epoch: int) -> Decision:
    """A new rollout of the intent's canary, or the end of the old one when the intent has none."""
    expected = state.epoch if state else 0
    epoch = max(expected, highest_epoch) + 1
    rolled_back = state.rolled_back if state else {}
    phase, action, weight, reason = _beginning(state, intent, rolled_back, now)
    if state:
        reason = with_end(reason, state)
    new = State(
        epoch=epoch, phase=phase, step=1 if phase == "running" else 0, weight=weight, stable=intent.stable,
        canary=intent.canary, rollout=epoch, evidence=epoch, reason=reason, actor=CONFIGURATION, action=action,
        changed_at=now, rolled_back=rolled_back, began_at=now, steps=intent.steps,
        replaced=state.kept(intent)[:_MOST_REPLACED] if state else (),
    )  # fmt: skip
    return Decision(expected, new, {})


def _beginning(
    state: State | None, intent: Intent, rolled_back: Mapping[str, str], now: float
) -> tuple[Phase | None, Action, int, str]:
    """Phase, action, weight and reason with which an intent that differs from the record begins."""
    if intent.canary is None:
        return None, "end" if state else "start", 0, f"no canary; {intent.stable.version} serves everything"
    if why := rolled_back.get(intent.canary.digest):
        reason = f"this canary was rolled back before ({why}); change it, or run 'serinus rollout retry'"
        return "rolled_back", "start", 0, reason
    if refusal := intent.refusal(now):
        return "pending", "wait", 0, refusal
    share = intent.steps[0].share
    reason = f"{intent.canary.version} on trial at {percent(share)} over {intent.stable.version}"
    if state is not None and state.phase == "pending" and state.serves(intent) and intent.gate is None:
        reason += ", without the evaluation that it waited for: this configuration needs none"
    return "running", "start", share, reason


def _in_words(steps: tuple[Step, ...]) -> str:
    return " → ".join(step.words for step in steps)
