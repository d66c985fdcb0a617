"""Evidence to judge, in as few words as a test needs."""

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence
from policies.statistics.means import Sample


def arm(requests: int, units: int | None = None, taken: Sample | None = None, **bad: int) -> ArmEvidence:
    """One arm in the first minute: calls, and by component how many units were bad. `:` is written `__`."""
    counts = {component.replace("__", ":"): count for component, count in bad.items()}
    return ArmEvidence(
        requests={0: requests},
        errors=counts.get("errors", 0),
        units=requests if units is None else units,
        bad={component: {0: count * WHOLE} for component, count in counts.items()},
        bad_units=counts,
        samples={"cost": taken} if taken else {},
        scored={0: requests},
    )


def sample(n: int, mean: float, deviation: float = 1.0) -> Sample:
    """So many values of that mean and standard deviation."""
    return Sample(n, n * mean, n * (mean**2 + deviation**2))


def errors(canary: tuple[int, int], stable: tuple[int, int], weight: float = 0.05) -> Evidence:
    """Requests and failing units of the canary and of stable."""
    return Evidence(weight, arm(canary[0], errors=canary[1]), arm(stable[0], errors=stable[1]))


BAD = errors((20, 10), (380, 4))  # a canary that fails in every second call
GOOD = errors((1000, 10), (19_000, 190))
