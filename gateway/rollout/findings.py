"""The evidence of one agent from the store's counts, and its findings by the policies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.rollout.table import Entry
from gateway.store.seam import Sides, Snapshot
from policies.evidence.evidence import Evidence
from policies.evidence.tally import Tally
from policies.evidence.traffic import blocked
from policies.guardrails import guardrails
from policies.guardrails.thresholds import freeze
from policies.rollout import rollout
from policies.rollout.rollout import Decision, Findings
from policies.rollout.state import State
from routing.assignment import BUCKETS


def evidence_of(state: State, sides: Sides) -> Evidence:
    """Return the running step's evidence from the store's sums."""
    return Evidence(
        weight=state.weight / BUCKETS,
        canary=sides.canary,
        stable=sides.stable,
        minute=sides.minute,
        step=state.segment,
        offset=state.offset,
        banked=state.banked,
        control_unseen_seconds=sides.control_unseen_seconds,
        callers=sides.callers,
        users=sides.users,
        observed_seconds=sides.observed_seconds,
        earlier={step: weight / BUCKETS for step, weight in state.earlier},
    )


def findings_of(entry: Entry, evidence: Evidence) -> Findings:
    """Return the findings of the agent's guardrails and signals on that evidence."""
    dismissed = entry.state.dismissed if entry.state else ()
    assessment = guardrails.assess(entry.all_guardrails, entry.all_signals, evidence, dismissed, entry.demoted)
    return Findings(assessment, evidence, entry.all_guardrails, blocked(evidence))


def ends_step(decision: Decision, before: State | None) -> bool:
    """Return whether the decision ends a step of a rollout that goes on; the step's evidence is kept then."""
    after = decision.state
    return before is not None and before.rollout == after.rollout and before.segment != after.segment


def settled(decision: Decision, entry: Entry, snapshot: Snapshot) -> Decision:
    """The decision with what the ended step leaves behind: its components, frozen, and thresholds for the next one.

    A decision that ends no step stays as it is.
    """
    before = entry.state
    if before is None or not ends_step(decision, before):
        return decision
    decision = rollout.banked(decision, findings_of(entry, evidence_of(before, snapshot.sides)))
    return replace(decision, state=replace(decision.state, frozen=thresholds_of(entry, snapshot) or before.frozen))


def thresholds_of(entry: Entry, snapshot: Snapshot) -> Mapping[str, float] | None:
    """The thresholds that stable's calls of this rollout give; None while there are too few."""
    stable = snapshot.tallies.get(entry.intent.stable.version) or Tally()
    return freeze(stable, (*entry.all_guardrails, *entry.all_signals))


def recorded_evidence(event: Mapping[str, Any]) -> Evidence | None:
    """The evidence that an audit event was decided on; None where it holds none."""
    record = event.get("evidence") or {}
    return Evidence.from_record(record) if "canary" in record else None
