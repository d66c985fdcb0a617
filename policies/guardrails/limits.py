"""Evidence that a canary is beyond an absolute limit, by the units that were checked (decision 39)."""

from collections.abc import Iterable

from policies.evidence.evidence import ERRORS, ArmEvidence, SlotCounts, checked
from policies.guardrails.grammar import Guardrail
from policies.statistics.recent import recent_e_value
from policies.statistics.sequential import absolute_e_value


def beyond_limit(guardrail: Guardrail, canary: ArmEvidence) -> float:
    """Return the e-value of the canary against the limit of an absolute guardrail, whatever stable does.

    Scores are counted by unit in any case. Evidence from before units were checked is compared with calls.
    """
    component, limit = guardrail.components[0], 1 - guardrail.slow[0].quantile if guardrail.slow else guardrail.limit
    name = checked(component)
    if guardrail.population == "scored units" or not (canary.checks or name in canary.bad):
        return absolute_e_value(canary.badness(component), sum(canary.trials(guardrail.population).values()), limit)
    judged = (ERRORS,) if guardrail.population == "judged and rejected calls" else ()
    counted = {*judged, component}  # a failing call was not rejected; it alone is counted under rejections
    good = sum(canary.checks.get(each, 0) for each in counted)
    recent_good = _added(canary.recent.get(each, {}) for each in counted)
    return recent_e_value(canary.badness(name), good, canary.recent.get(name, {}), recent_good, limit)


def _added(series: Iterable[SlotCounts]) -> dict[int, int]:
    added: dict[int, int] = {}
    for counts in series:
        for index, count in counts.items():
            added[index] = added.get(index, 0) + count
    return added
