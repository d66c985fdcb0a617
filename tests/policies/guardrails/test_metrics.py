"""The registry of metrics: what it holds fits the rest, and a new metric needs no other entry."""

import itertools
import random
from typing import Any

import pytest

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence
from policies.evidence.tally import HISTOGRAMS
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, Guardrail, parse
from policies.guardrails.guardrails import assess
from policies.guardrails.metrics import METRICS, Events, Kind, Mean, Metric, SimulatedBehaviour, SlowCalls
from policies.simulation.simulation import first_breach
from policies.simulation.worlds import Bad, Phase, Taken, World, happenings

CANARY = SimulatedBehaviour(errors=0.5, quality=0.2)
WORLD = World((Phase(canary=CANARY),))


def third(version: SimulatedBehaviour) -> float:
    """A metric's share of bad units, or factor, that no other metric has."""
    return 0.3 if version is CANARY else 0.01


EMPTY = Metric("empty_rate", Kind("empty", share=0.1, floor=0.005), Events("empty", third))
NO_MORE = Guardrail("empty_rate <= stable * 2", EMPTY, relative=True, limit=2.0)


def test_every_measure_and_amount_has_a_histogram() -> None:
    """Thresholds and caps are frozen from the tally's histogram of that name."""
    readings = [metric.reading for metric in METRICS.values()]
    named: set[str] = {reading.measure for reading in readings if isinstance(reading, SlowCalls)}
    named |= {reading.amount for reading in readings if isinstance(reading, Mean)}
    assert named == set(HISTOGRAMS) == {"latency", "ttft", "cost", "tokens"}


def test_a_kind_has_one_share() -> None:
    """Those of the default guardrails sum to one; a new kind takes nothing from them."""
    kinds = {metric.kind for metric in METRICS.values()}
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert sum(kind.share for kind in {parse(text).metric.kind for text in DEFAULT_GUARDRAILS}) == pytest.approx(1.0)


def test_an_unknown_reading_is_refused() -> None:
    """A metric that nobody can read is an error where it is defined."""
    unknown: Any = "quality"
    with pytest.raises(TypeError, match="unknown reading 'quality' of empty_rate"):
        Metric("empty_rate", EMPTY.kind, unknown)


def test_a_world_makes_a_new_metric_by_its_own_share() -> None:
    """Not by the share of any other metric: 30 % of the canary's units, of whose calls half fail."""
    stream = itertools.takewhile(lambda found: found[0] <= 10_000, happenings([NO_MORE], WORLD, random.Random(1)))
    found = [what for _, _, what in stream if isinstance(what, Bad)]
    assert {bad.components for bad in found} == {("empty",)}
    assert sum(bad.canary[0] for bad in found) == pytest.approx(3000, rel=0.05)


def test_a_new_metric_rolls_back() -> None:
    """Simulated rollouts and the assessment need nothing beside the metric itself."""
    breach = first_breach([NO_MORE], WORLD, random.Random(1))
    assert breach and breach.guardrail == NO_MORE.text and breach.requests < 100
    canary = ArmEvidence({0: 100}, units=100, bad={"empty": {0: 40 * WHOLE}}, bad_units={"empty": 40})
    proven = assess([NO_MORE], (), Evidence(0.5, canary, ArmEvidence({0: 100}))).proven
    assert proven and (proven.guardrail, proven.canary) == (NO_MORE, 0.4)


def test_amounts_with_a_factor_of_their_own_are_drawn_apart() -> None:
    """The means of two metrics with one factor share a draw; another factor is another draw."""
    apart = Metric("searches", Kind("searches", share=0.1), Mean("cost", third))
    guardrails = [Guardrail(metric.name, metric, True, 1.5) for metric in (METRICS["cost"], METRICS["tokens"], apart)]
    stream = itertools.islice(happenings(guardrails, WORLD, random.Random(1)), 4)
    taken = [what for _, _, what in stream if isinstance(what, Taken)]
    assert [each.metrics for each in taken] == [("cost", "tokens"), ("searches",)] * 2
    assert taken[1].canary.mean < taken[0].canary.mean / 2


def test_every_metric_has_the_unit_in_which_people_read_it() -> None:
    """Shares, seconds, dollars and tokens."""
    units = {name: METRICS[name].unit for name in ("error_rate", "ttft_p50", "cost", "tokens")}
    assert units == {"error_rate": "share", "ttft_p50": "seconds", "cost": "usd", "tokens": "tokens"}
