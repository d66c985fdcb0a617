"""The verdict on a guardrail, in a word for people. Page, command line and JSON take it from here; no decision does.

A verdict never contradicts the numbers beside it: `breached` has its proof, `fine` has data, enough of it, a measured
value within the limit, and next to no evidence against the canary.
"""

from typing import Literal

from policies.guardrails.guardrails import HOLD_THRESHOLD, MIN_UNITS, Finding

Verdict = Literal["no data", "watching", "suspect", "breached", "fine"]


def verdict(finding: Finding, *, is_beyond: bool) -> Verdict:
    """Return the verdict on a finding. `is_beyond`: the value that is shown of the canary is beyond the limit."""
    if finding.is_proven or finding.weighed >= finding.guardrail.threshold:
        return "breached"
    if finding.e_value >= HOLD_THRESHOLD or finding.breached_by_all:
        return "suspect"
    if finding.canary is None or (finding.guardrail.relative and finding.stable is None):
        return "no data"
    if finding.units < MIN_UNITS or is_beyond:
        return "watching"
    return "fine"
