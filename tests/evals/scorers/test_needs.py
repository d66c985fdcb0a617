"""What an evaluator needs is checked before a suite is run: nothing is asked, nothing is spent."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from evals.cases import SuiteError
from evals.checks import check_problems
from evals.running.judges import Judges
from evals.suites import read_suite
from gateway.cli.compared_versions import CannotRun
from gateway.cli.graders import check_graders, targets_of
from tests.support.evaluations import evaluated

pytestmark = pytest.mark.socket
CASES = [{"ask": "Hi", "expect": [{"external": "mine"}, {"llm-rubric": "kind", "target": "standin/bad"}]}]


async def check(folder: Path, limit: int | None = None, usual: str | None = None, **more: object) -> set[str]:
    """Check a suite with an evaluator; return the targets that grade."""
    evaluator = {"run": [sys.executable, "scorer.py"], **more}
    (folder / "suite.yaml").write_text(json.dumps({"evaluators": {"mine": evaluator}, "cases": CASES}))
    suite = read_suite(folder / "suite.yaml", check_problems)
    async with evaluated(folder / "config") as (_, targets):
        check_graders(suite, Judges(targets, usual), limit, {"PATH": "/usr/bin:/bin", "LICENCE": "x"})
    return targets_of(suite, usual)


async def test_an_evaluator_that_lacks_nothing_may_run(tmp_path: Path) -> None:
    """Its judge and embedder are targets whose prices are learnt."""
    assert await check(tmp_path) == {"standin/bad"}
    assert await check(tmp_path, 1, "standin/good", env=["LICENCE"]) == {"standin/bad", "standin/good"}
    more: dict[str, Any] = {"judge": "standin/good", "embedder": "standin/bad", "run": ["sh", "x"]}
    assert await check(tmp_path, 1, **more) == {"standin/bad", "standin/good"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"run": ["./nowhere"]}, "evaluator mine: ./nowhere is no program that can be run from"),
        ({"run": ["no-such-program"]}, "evaluator mine: no-such-program is no program"),
        ({"env": ["LICENCE", "NOT_THERE"]}, "evaluator mine: the environment has no NOT_THERE"),
        ({"judge": "nobody/x"}, "evaluator mine: the judge 'nobody/x' has no configured provider"),
        ({"embedder": "nobody/x"}, "evaluator mine: the judge 'nobody/x' has no configured provider"),
    ],
)
async def test_what_an_evaluator_lacks_has_its_line(more: dict[str, Any], words: str, tmp_path: Path) -> None:
    """That of the check that asks it."""
    with pytest.raises(SuiteError, match=r"suite\.yaml:1") as caught:
        await check(tmp_path, **more)
    assert words in str(caught.value)


@pytest.mark.parametrize("more", [{"judge": "standin/unpriced"}, {"embedder": "standin/unpriced"}])
async def test_a_limit_needs_the_prices_of_its_models(more: dict[str, Any], tmp_path: Path) -> None:
    """Without one the limit could not hold."""
    with pytest.raises(CannotRun, match="--max-cost needs a price of the judge standin/unpriced"):
        await check(tmp_path, 1, **more)
    await check(tmp_path, None, **more)
