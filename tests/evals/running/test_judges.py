"""Judges: asked at temperature 0 over the configured providers, and out of the run's own money."""

import json
from pathlib import Path

import pytest

from evals.checks.graders import GraderUnavailable
from evals.running.cost_limit import LimitReached
from evals.running.judges import Judges
from evals.running.targets import Patience
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.evaluations import evaluated

pytestmark = pytest.mark.socket
QUESTION = [{"role": "user", "content": "Is it good?"}]


async def test_a_judge_is_asked_at_temperature_zero(tmp_path: Path) -> None:
    """With the shape of its answer, where one is wanted."""
    async with evaluated(tmp_path) as (standin, targets):
        text = await Judges(targets, "standin/good").ask(None, QUESTION, json_schema={"type": "object"})
        (request,) = standin.requests
    body = json.loads(request.body)
    assert (body["temperature"], body["model"]) == (0, "good") and text == "{}"
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("target", "reason"),
    [(None, "say --judge provider/model"), ("nobody/x", "no configured provider; known: standin"), ("x", "known")],
)
async def test_a_judge_that_is_nowhere_is_named(target: str | None, reason: str, tmp_path: Path) -> None:
    """In words that say what to do."""
    async with evaluated(tmp_path) as (_, targets):
        with pytest.raises(GraderUnavailable, match=reason):
            await Judges(targets).ask(target, QUESTION)


async def test_a_judge_that_fails_is_unavailable(tmp_path: Path) -> None:
    """Whatever its provider says."""
    async with evaluated(tmp_path, patience=Patience(5.0, 0.0)) as (standin, targets):
        standin.behave("good", ModelBehaviour(error_rate=1))
        with pytest.raises(GraderUnavailable):
            await Judges(targets).ask("standin/good", QUESTION)


async def test_judges_spend_from_the_same_limit(tmp_path: Path) -> None:
    """A judge that is too dear is not asked."""
    async with evaluated(tmp_path, 1_000_000) as (standin, targets):
        with pytest.raises(LimitReached):
            await Judges(targets).ask("standin/good", QUESTION)
        assert not list(standin.requests)


async def test_texts_become_vectors(tmp_path: Path) -> None:
    """One for each text, by the target that the check names."""
    async with evaluated(tmp_path) as (_, targets):
        vectors = await Judges(targets).embed("standin/good", ["a", "b"])
    assert len(vectors) == 2 and all(isinstance(number, float) for number in vectors[0])
