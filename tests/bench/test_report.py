"""From rows to tables."""

import pytest

from bench.gateways import report
from bench.gateways.measure import Row, quantile

CALL = "json c=16 cpu us"


def test_the_median_over_rounds_counts() -> None:
    """One round with a noisy neighbour does not move a figure."""
    rows = [Row("nginx", turn, CALL, value) for turn, value in enumerate((14.0, 15.0, 900.0))]
    assert report.medians(rows) == {("nginx", CALL): 15.0}


def test_a_ratio_is_their_cost_over_ours() -> None:
    """A gateway that takes half of our CPU has the ratio 0.5; one that was not measured has none."""
    values = {("Serinus", CALL): 100.0, ("nginx", CALL): 50.0}
    assert report.ratio(values, "nginx", CALL) == 0.5
    assert report.ratio(values, "Envoy", CALL) is None


def test_every_gateway_has_its_row_and_missing_ones_are_named() -> None:
    """A peer that is not installed is never silently left out."""
    values = {("Serinus", CALL): 100.0, ("nginx", CALL): 14.0}
    text = report.tables(values, ["Serinus", "nginx"], ["Envoy"])
    assert "| Serinus | 100 | 100 | 10,000 |" in text
    assert "| nginx | 0.14 |" in text
    assert "Not installed here, and so not measured: Envoy." in text


def test_a_column_that_nobody_has_a_figure_for_is_left_out() -> None:
    """A quick run's table shows no empty columns."""
    assert "500" not in report.tables({("Serinus", CALL): 100.0}, ["Serinus"], []).splitlines()[2]


def test_calls_that_failed_are_told() -> None:
    """A fast gateway that refuses calls does not look fast."""
    values = {("Serinus", CALL): 100.0, ("Serinus", "json c=16 failed"): 7.0}
    assert "Serinus, json c=16: 7." in report.tables(values, ["Serinus"], [])


def test_what_is_measured_goes_between_the_markers() -> None:
    """The prose around the tables stays; a text without markers is refused."""
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter"
    assert report.between_markers(text, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter"
    with pytest.raises(ValueError, match="lacks"):
        report.between_markers("no markers", "new")


@pytest.mark.parametrize(("share", "value"), [(0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_a_quantile_is_a_value_that_was_seen(share: float, value: float) -> None:
    """The nearest rank, whatever the order."""
    assert quantile([float(n) for n in range(100, 0, -1)], share) == value


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")])
def test_figures_have_the_digits_they_deserve(value: float | None, text: str) -> None:
    """Nobody measures a hundredth of a thousand."""
    assert report.number(value) == text
