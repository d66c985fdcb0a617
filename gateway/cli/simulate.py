"""`serinus simulate`: how soon the configured guardrails would roll back a canary that behaves as given.

So that an operator can choose a step before trying it. The simulation decides through the code that decides in
production.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.config import load
from policies.guardrails.grammar import Guardrail, parse
from policies.guardrails.metrics import SimulatedBehaviour
from policies.rollout.state import WHOLE_WEIGHT, percent
from policies.simulation.simulation import Detection, expected_detection
from policies.simulation.worlds import Phase, World

Detections = Sequence[tuple[int, Detection]]


class UnknownAgent(Exception):
    """The configuration names no such agent."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """The operator's assumptions: both versions' behaviour, calls per second over both, and how often to play it."""

    stable: SimulatedBehaviour
    canary: SimulatedBehaviour
    rps: float
    runs: int


def simulate(folder: Path, environ: Mapping[str, str], agent: str, assumed: Assumed) -> Detections:
    """Return the expected detection for each step's weight, in basis points. Raises ConfigProblems, UnknownAgent."""
    agents = load(folder, environ).agents
    if agent not in agents:
        raise UnknownAgent(f"unknown agent {agent!r}; known: {', '.join(agents)}")
    guardrails = [parse(text) for text in agents[agent].guardrails]
    weights = [step.weight for step in agents[agent].steps] or [500]
    return [(weight, _detect(guardrails, weight, assumed)) for weight in weights]


def _detect(guardrails: list[Guardrail], weight: int, assumed: Assumed) -> Detection:
    world = World((Phase(assumed.stable, assumed.canary),), min(weight, 9800) / 10_000, assumed.rps)
    return expected_detection(guardrails, world, random.Random(1), assumed.runs)  # noqa: S311 - a simulation


def as_json(detections: Detections) -> list[dict[str, float | int | None]]:
    """Return an object for each weight: shares from 0 to 1, requests, minutes; None where too few are rolled back."""
    return [
        {"weight": weight / WHOLE_WEIGHT, "rolled_back": found.share, **_measures(found)}
        for weight, found in detections
    ]


def _measures(found: Detection) -> dict[str, float | int | None]:
    return {name: value for name, value in asdict(found).items() if name != "share"}


def as_text(detections: Detections) -> str:
    """Return one line for each weight."""
    return "\n".join(_lines(detections))


def _lines(detections: Detections) -> Iterator[str]:
    yield f"{'share':>6}  {'rolled back':>11}  {'canary requests':>22}  {'minutes':>18}"
    for weight, found in detections:
        yield f"{percent(weight):>6}  {found.share:>11.0%}  {_requests(found):>22}  {_minutes(found):>18}"


def _requests(found: Detection) -> str:
    if found.median_requests is None:
        return "rarely"
    return f"{found.median_requests:,} (95 %: {_or_more(found.p95_requests)})"


def _minutes(found: Detection) -> str:
    if found.median_minutes is None:
        return "-"
    late = "more" if found.p95_minutes is None else f"{found.p95_minutes:.1f}"
    return f"{found.median_minutes:.1f} (95 %: {late})"


def _or_more(requests: int | None) -> str:
    return "more" if requests is None else f"{requests:,}"
