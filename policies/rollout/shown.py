"""Sentences on what the evidence of a step shows, for the reason of a rollback or an exclusion."""

from policies.evidence.evidence import Evidence, earlier_part
from policies.guardrails.grammar import Guardrail
from policies.guardrails.metrics import Turns
from policies.guardrails.observed import observed


def shown_in_words(guardrail: Guardrail, evidence: Evidence) -> str:
    """Return what both arms have shown of the guardrail's metric."""
    canary, stable = (observed(guardrail, arm) for arm in (evidence.canary, evidence.stable))
    if guardrail.is_mean:
        times = f"{(canary.value or 0.0) / stable.value:.3g}" if stable.value else "infinitely many"
        return f"the canary's value is {times} times stable's, over {evidence.canary.calls} requests"
    if isinstance(guardrail.metric.reading, Turns):
        before = f"{stable.value:.3g} of {stable.of}" if stable.value is not None else "none of stable"
        return (
            f"calls of a conversation: canary {canary.value or 0.0:.3g} of {canary.of} conversations, stable {before}"
        )
    control = f"stable {stable.value:.2%} of {stable.of}" if stable.value is not None else "no calls of stable"
    shown = f"canary {canary.value or 0.0:.2%} of {canary.of} requests, {control}"
    return f"{shown}{_later_turns(guardrail, evidence, canary.bad or 0.0)}{_under_way(guardrail, evidence)}"


def _later_turns(guardrail: Guardrail, evidence: Evidence, shown: float) -> str:
    """Return what later turns have shown that are counted by conversation alone, in words.

    `shown` is how many bad calls or units of the canary people see in the share before.
    """
    units = max(evidence.canary.bad_units.get(component, 0) for component in guardrail.components)
    others = max(evidence.stable.bad_units.get(component, 0) for component in guardrail.components)
    if guardrail.population != "judged calls" or units <= min(round(shown), evidence.canary.calls):
        return ""
    return f"; with later turns {units} conversations were bad on the canary and {others} on stable"


def _under_way(guardrail: Guardrail, evidence: Evidence) -> str:
    """Return what the conversations of earlier steps have shown, in words."""
    parts = [earlier_part(component, step) for component in guardrail.components for step in evidence.earlier]
    canary, stable = (sum(arm.bad_units.get(part, 0) for part in parts) for arm in (evidence.canary, evidence.stable))
    if not canary:
        return ""
    return f"; of the conversations under way before the step, {canary} were bad on the canary and {stable} on stable"
