"""Behaviours are checked whole, documented, and drawn from repeatable dice."""

import math
import statistics
from random import Random

import pytest
from pydantic import ValidationError

from gateway.rehearsal.standin import BadBehaviour, ModelBehaviour, read_behaviours
from gateway.rehearsal.standin.behaviour import draw_fault, draw_latency, merge_behaviour, read_behaviour
from gateway.rehearsal.standin.models import MOST_STRANGERS, StandinModels


def test_every_field_is_documented() -> None:
    """A field without a description cannot be used by anyone but its author."""
    assert [name for name, field in ModelBehaviour.model_fields.items() if not field.description] == []


def test_every_problem_is_named_at_once() -> None:
    """Two wrong values and an unknown field are three lines, each with the way out."""
    with pytest.raises(BadBehaviour) as caught:
        read_behaviour(b'{"error_rate": 2, "fault": "explode", "latency": 1}')
    rate, fault, unknown = caught.value.problems
    assert rate == "error_rate: Input should be less than or equal to 1 (got '2')"
    assert "'rate_limit'" in fault
    assert unknown.startswith("latency: unknown field; known: latency_seconds, ")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"latency_seconds": 2, "latency_p90_seconds": 1}', b'{"status": 200}'])
def test_what_cannot_be_is_refused(text: bytes) -> None:
    """No JSON, no object, a 90th percentile below the median, a success as an error."""
    with pytest.raises(BadBehaviour):
        read_behaviour(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 3601.0])
def test_times_are_finite(value: float) -> None:
    """A wait that never ends is a fault of its own, not a number."""
    with pytest.raises(ValidationError):
        ModelBehaviour(latency_seconds=value)


def test_a_merge_changes_what_it_names() -> None:
    """The other fields stay, and the result is checked as a whole."""
    old = ModelBehaviour(latency_seconds=1, seed=7)
    merged, fields = merge_behaviour(old, b'{"error_rate": 0.5}')
    assert merged == ModelBehaviour(latency_seconds=1, seed=7, error_rate=0.5)
    assert fields == {"error_rate"}
    with pytest.raises(BadBehaviour):
        merge_behaviour(old, b'{"latency_p90_seconds": 0.5}')


@pytest.mark.parametrize("patch", [b"nonsense", b"[]"])
def test_a_merge_needs_an_object(patch: bytes) -> None:
    """Anything else is refused with a sentence."""
    with pytest.raises(BadBehaviour, match="JSON"):
        merge_behaviour(ModelBehaviour(), patch)


def test_behaviours_come_from_one_file() -> None:
    """Default and models by name; a problem inside tells where."""
    read = read_behaviours(b'{"default": {"chunks": 1}, "models": {"a": {"chunks": 2}}}')
    assert (read.default.chunks, read.models["a"].chunks) == (1, 2)
    with pytest.raises(BadBehaviour, match=r"models\.a\.chunks"):
        read_behaviours(b'{"models": {"a": {"chunks": 0}}}')


def test_a_fixed_latency_draws_nothing() -> None:
    """Without a 90th percentile every call takes the same time."""
    assert {draw_latency(ModelBehaviour(latency_seconds=0.2), Random(at)) for at in range(9)} == {0.2}


def test_a_drawn_latency_has_its_median_and_p90() -> None:
    """Over 20,000 draws both are met within 3 %."""
    how, rng = ModelBehaviour(latency_seconds=0.5, latency_p90_seconds=1.5), Random(1)
    drawn = sorted(draw_latency(how, rng) for _ in range(20_000))
    assert statistics.median(drawn) == pytest.approx(0.5, rel=0.03)
    assert drawn[18_000] == pytest.approx(1.5, rel=0.03)


def test_the_error_rate_is_met() -> None:
    """One call in five fails, and always in the way that was set."""
    how, rng = ModelBehaviour(error_rate=0.2, fault="html"), Random(1)
    drawn = [draw_fault(how, rng) for _ in range(20_000)]
    assert drawn.count("html") == pytest.approx(4_000, rel=0.05)
    assert set(drawn) == {"html", None}


def test_the_same_seed_has_the_same_luck() -> None:
    """Two runs draw alike, another seed or another model does not."""

    def luck(model: str, seed: int) -> list[object]:
        how = ModelBehaviour(latency_seconds=1, latency_p90_seconds=2, error_rate=0.5, seed=seed)
        drawn = StandinModels({model: how}, ModelBehaviour()).get(model)
        return [drawn.draw() for _ in range(20)]

    assert luck("a", 1) == luck("a", 1)
    assert luck("a", 1) != luck("a", 2)
    assert luck("a", 1) != luck("b", 1)


def test_a_change_leaves_the_script_and_the_dice_where_they_are() -> None:
    """Unless it names them: then they begin again."""
    models = StandinModels({"m": ModelBehaviour(fault_script=("hang", "html"))}, ModelBehaviour())
    assert models.get("m").draw()[1] == "hang"
    models.change("m", ModelBehaviour(fault_script=("hang", "html"), status=503), frozenset({"status"}))
    assert models.get("m").draw()[1] == "html"
    models.change("m", ModelBehaviour(fault_script=("reset",), seed=3), frozenset({"fault_script", "seed"}))
    assert models.get("m").draw()[1] == "reset"


def test_strangers_share_the_default_and_do_not_pile_up() -> None:
    """Any name is answered, none is listed, and their number stays bounded."""
    models = StandinModels({}, ModelBehaviour(error_rate=1, fault="html"))
    assert {models.get(f"stranger-{at}").draw()[1] for at in range(MOST_STRANGERS + 5)} == {"html"}
    assert models.names() == []
