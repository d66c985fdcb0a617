"""Expressions of PromQL, and the metrics that they name."""

import re
from collections.abc import Set
from pathlib import Path

from gateway.telemetry.families import FAMILIES

ROOT = Path(__file__).parents[2]
_OURS = re.compile(r"\b(?:serinus|gen_ai)[a-z0-9_:]*\b")
_LABELS = {label for family in FAMILIES for label in family.labels}
_SAMPLES = {
    name
    for family in FAMILIES
    for name in (
        [f"{family.name}_{part}" for part in ("bucket", "count", "sum")]
        if family.kind == "histogram"
        else [family.name]
    )
}


def unknown_metrics(expression: str, recorded: Set[str] = frozenset()) -> set[str]:
    """The metrics that the expression names and that `/metrics` does not have; `recorded` are made by rules."""
    named = set(_OURS.findall(re.sub(r'"[^"]*"', '""', expression)))
    assert named, f"{expression} names no metric of ours"
    return named - _SAMPLES - _LABELS - recorded
