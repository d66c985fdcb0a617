"""Records of a canary at the stations of its journey."""

from dataclasses import replace
from typing import Any

from policies.evidence.evidence import Evidence
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import assess
from policies.rollout.rollout import (
    Decision,
    Findings,
    decide,
    reconcile,
)
from policies.rollout.state import Intent, State, Step, VersionRef
from tests.policies.evidences import BAD, GOOD

V1, V2, V3 = (VersionRef(f"v{number}", f"digest-{number}") for number in (1, 2, 3))
TRIAL = Intent(V1, V2, (Step(500),))
STEPS = Intent(V1, V2, (Step(500, 600.0, 100), Step(2500, 600.0, approval=True), Step(10_000, 600.0)))
GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))


def findings(evidence: Evidence, *reasons: str) -> Findings:
    """What the default guardrails say."""
    return Findings(assess(GUARDRAILS, (), evidence), evidence, GUARDRAILS, reasons)


def after(decision: Decision | None) -> State:
    """The record once the decision is committed."""
    assert decision is not None
    return decision.state


def running(intent: Intent = TRIAL, **changes: Any) -> State:
    """v2 on trial at 5 % over v1, at epoch 1, since second 10."""
    return replace(after(reconcile(None, intent, now=10.0)), **changes)


def rolled_back() -> State:
    """The same at epoch 2, taken out."""
    return after(decide(running(), TRIAL, findings(BAD), now=20.0))


def completed() -> State:
    """The canary at 100 %, since second 700."""
    return after(decide(running(STEPS, step=3, weight=9800), STEPS, findings(GOOD), now=700.0))
