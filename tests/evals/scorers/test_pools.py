"""Evaluators of a run: what they cost, which of their scores are kept, and how many children they are."""

import asyncio
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from evals.running.cost_limit import LimitReached
from evals.running.kept_answers import AnswerCache, kept_answers
from tests.evals.scorers.commands import evaluating, evaluator_in, scored
from tests.support.waiting import SOON, within

pytestmark = [pytest.mark.socket, pytest.mark.process]
PID = "reply['reason'] = str(os.getpid())"
COUNT = "count = open('count', 'a'); count.write('.'); count.close()"


async def test_an_evaluators_cost_counts_against_the_limit(tmp_path: Path) -> None:
    """The run stops before the item that would go beyond it, if it costs what the dearest did."""
    async with evaluating(tmp_path, 1_000_000_000) as (_, evaluators):
        for _ in range(2):
            await scored(evaluators, evaluator_in(tmp_path), reply={"cost": 0.4})
        assert evaluators.judges.targets.cost_limit.spent == 800_000_000
        with pytest.raises(LimitReached, match=r"0\.8.* USD are spent"):
            await scored(evaluators, evaluator_in(tmp_path), run=COUNT)
    assert not (tmp_path / "count").exists()


async def test_a_declined_item_costs_what_it_costs(tmp_path: Path) -> None:
    """Its judge was paid."""
    async with evaluating(tmp_path, 1_000_000_000) as (_, evaluators):
        assert (await scored(evaluators, evaluator_in(tmp_path), reply={"error": "no", "cost": 0.1})).undecided
        assert evaluators.judges.targets.cost_limit.spent == 100_000_000


async def test_items_share_a_few_children(tmp_path: Path) -> None:
    """As many as the suite says, and no more."""
    run = f"time.sleep(0.1); {PID}"
    evaluator = evaluator_in(tmp_path, processes=2)
    async with evaluating(tmp_path) as (_, evaluators):
        found = await asyncio.gather(*(scored(evaluators, evaluator, run=run) for _ in range(8)))
    assert len({each.reason for each in found}) == 2


async def test_a_score_is_kept_for_its_answer(tmp_path: Path) -> None:
    """By answer, metric and settings; an answer without a key is scored afresh."""
    evaluator = evaluator_in(tmp_path)
    with kept_answers(tmp_path / "kept.sqlite") as kept:
        async with evaluating(tmp_path, kept=kept) as (_, evaluators):
            for key in ("a", "a", "b", "", ""):
                assert (await scored(evaluators, evaluator, key, run=COUNT)).passed
    assert (tmp_path / "count").read_text() == "...."


@pytest.mark.parametrize("more", [{"judge": "standin/bad"}, {"embedder": "standin/good"}, {"env": ("HOME",)}, {}])
async def test_a_score_is_kept_for_its_evaluator(more: dict[str, object], tmp_path: Path) -> None:
    """Another judge, embedder or variable is another evaluator; so are other files, by the digest."""
    evaluator = evaluator_in(tmp_path)
    other = evaluator_in(tmp_path, **more) if more else replace(evaluator, sha256="1" * 64)
    with kept_answers(tmp_path / "kept.sqlite") as kept:
        async with evaluating(tmp_path, kept=kept) as (_, evaluators):
            await scored(evaluators, evaluator, "a", run=COUNT)
            await scored(evaluators, other, "a", run=COUNT)
    assert (tmp_path / "count").read_text() == ".."


async def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    """The next run asks again."""
    with kept_answers(tmp_path / "kept.sqlite") as kept:
        async with evaluating(tmp_path, kept=kept) as (_, evaluators):
            assert (await scored(evaluators, evaluator_in(tmp_path), "a", raw="x")).undecided
            assert (await scored(evaluators, evaluator_in(tmp_path), "a", reply={"error": "x"})).undecided
    assert sqlite3.connect(tmp_path / "kept.sqlite").execute("SELECT COUNT(*) FROM answers").fetchone() == (0,)


async def test_a_run_that_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    """Also one that is at work."""
    run = "open('pid', 'w').write(str(os.getpid())); time.sleep(300)"
    async with evaluating(tmp_path, kept=AnswerCache()) as (_, evaluators):
        task = asyncio.create_task(scored(evaluators, evaluator_in(tmp_path), run=run))
        await within(SOON, lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pid = int((tmp_path / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
