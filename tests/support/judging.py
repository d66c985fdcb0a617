"""A trial whose calls a judge grades: configuration, and the stand-in's models."""

from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rehearsal.standin.judge import JudgeBehaviour, Manner
from tests.support.running import trial, write

OOPS = "oops "  # what the worse canary says
WORSE = ModelBehaviour(chunk_text=OOPS)


def judging(manner: Manner = "grade", *, bad_if: str = OOPS.strip(), **more: Any) -> ModelBehaviour:
    """A model that grades; what says `bad_if` is bad."""
    return ModelBehaviour(judge=JudgeBehaviour(manner=manner, bad_if=bad_if), **more)


def with_judge(
    folder: Path,
    agent: str,
    standin: Standin,
    weight: str = "50%",
    keys: Any = None,
    review: Any = None,
    limits: Any = None,
    **judge: Any,
) -> Path:
    """Write a trial of v1 and v2 whose every call a judge may grade."""
    given = {"target": "standin/judge", "rubric": "polite.md", "sample": "100%", "max_cost_per_day": 5, **judge}
    parts = {name: part for name, part in (("review", review), ("limits", limits)) if part}
    files = trial(agent, standin, weight, record_content="all", judge=given, **parts)
    gateway: Any = files["gateway.yaml"]
    gateway["prices"] = [{"target": "standin/judge", "from": "2020-01-01", "input": 1.0, "output": 2.0}]
    if keys is not None:
        gateway["keys"] = keys
    return write(folder, {**files, f"agents/{agent}/polite.md": "The answer is polite."})
