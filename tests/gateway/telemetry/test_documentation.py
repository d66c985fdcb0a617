"""docs/metrics.md names every metric as it is."""

from pathlib import Path

import pytest

from gateway.telemetry.families import FAMILIES, MetricFamily

ROWS = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8").splitlines()


def row(family: MetricFamily) -> str:
    """The row of a table that describes it."""
    labels = " ".join(f"`{label}`" for label in family.labels) or "—"
    return f"| `{family.name}` | {family.kind} | {labels} | {family.help} |"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_metric_is_described(family: MetricFamily) -> None:
    """Its kind, its labels, and what it says, in the words that a scrape has."""
    assert row(family) in ROWS


def test_no_other_metric_is_described() -> None:
    """A row that is left over would be of a metric that is gone."""
    rows = {line for line in ROWS if line.startswith(("| `serinus_", "| `gen_ai_"))}
    assert rows == set(map(row, FAMILIES))


def test_a_metric_has_one_name() -> None:
    """Counters end in _total, and no name stands twice."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(family.name.endswith("_total") == (family.kind == "counter") for family in FAMILIES)
