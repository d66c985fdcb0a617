"""A suite asked of two versions over a real socket: what is asked, kept, compared, asked again, and paid."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from evals.answer import CaseAnswer
from evals.cases import Case
from evals.checks.scores import CaseScore
from evals.results import SuiteResult
from evals.running.cost_limit import LimitReached
from evals.running.kept_answers import AnswerCache, kept_answers
from evals.running.suite_run import Progress, RunSettings, SuiteRun
from evals.running.targets import Patience, Targets
from gateway.rehearsal.standin import ModelBehaviour
from routing.agents import AgentVersion, Target
from tests.support.call_count import CallCount
from tests.support.evaluations import case_of, evaluated, holds_expected, suite_of

pytestmark = pytest.mark.socket
GOOD = AgentVersion("v1", Target("standin", "good"), "You are v1.")
BAD = AgentVersion("v2", Target("standin", "bad"), "You are v2.")
SIXTY = [case_of(f"case-{number}", f"Where is order {number}?") for number in range(60)]


async def run(targets: Targets, *cases: object, stable: AgentVersion | None = GOOD, **more: object) -> SuiteResult:
    """The result of these cases, with BAD as the candidate unless said otherwise."""
    candidate, kept = more.pop("candidate", BAD), more.pop("kept", AnswerCache())
    show, score = more.pop("show", lambda progress: None), more.pop("score", holds_expected)
    settings = more.pop("settings", RunSettings())
    suite = suite_of(*cases, **more)  # type: ignore[arg-type]
    return await SuiteRun("support", candidate, stable, suite, targets, score, kept, settings, show).run()  # type: ignore[arg-type]


async def test_a_hopeless_version_is_refused_early(tmp_path: Path) -> None:
    """Seven one-way flips prove harm at 5 %; with four cases at a time no more than a few are asked beyond."""
    async with evaluated(tmp_path) as (_, targets):
        result = await run(targets, *SIXTY)
    assert result.verdict.status == "failed"
    assert 7 <= len(result.results) <= 10
    assert result.left_out == 60 - len(result.results)


async def test_an_equal_version_passes(tmp_path: Path) -> None:
    """All cases are asked of both, and none is worse."""
    async with evaluated(tmp_path) as (standin, targets):
        result = await run(targets, *SIXTY, candidate=AgentVersion("v3", GOOD.target, "You are v3."))
        assert len(standin.requests) == 120
    assert result.verdict.status == "passed"
    assert "worse on at most 4.9 % of such cases" in result.verdict.sentence


async def test_few_cases_prove_nothing(tmp_path: Path) -> None:
    """They do not pass."""
    async with evaluated(tmp_path) as (_, targets):
        result = await run(targets, *SIXTY[:5], candidate=AgentVersion("v3", GOOD.target, "You are v3."))
    assert result.verdict.status == "too_few_cases"


async def test_one_broken_case_is_asked_afresh(tmp_path: Path) -> None:
    """Both versions, until it is proved that the case fails."""
    cases = [*(replace(case, expected="") for case in SIXTY[:59]), case_of("broken")]
    async with evaluated(tmp_path) as (standin, targets):
        result = await run(targets, *cases)
        assert len(standin.requests) == 120 + 2 * len(result.results[-1].fresh)
    assert result.verdict.status == "failed" and "broken" in result.verdict.sentence
    assert 6 <= len(result.results[-1].fresh) <= 10


async def test_answers_are_kept_between_runs(tmp_path: Path) -> None:
    """The second run asks nothing and says the same; other content is asked anew."""
    same = AgentVersion("v3", GOOD.target, "You are v3.")
    async with evaluated(tmp_path) as (standin, targets):
        for _ in range(2):
            with kept_answers(tmp_path / "answers") as kept:
                result = await run(targets, *SIXTY[:10], candidate=same, kept=kept, repeat=2)
        assert len(standin.requests) == 40
        assert all(run.is_kept for each in result.results for run in each.stable)
        with kept_answers(tmp_path / "answers") as kept:
            await run(targets, *SIXTY[:10], candidate=AgentVersion("v3", GOOD.target, "Other."), kept=kept, repeat=2)
        assert len(standin.requests) == 60


async def test_the_limit_holds_whatever_runs_at_the_same_time(tmp_path: Path) -> None:
    """Calls reserve what they may cost at most; the run ends before the call that might go beyond."""
    limit = 60_000_000  # nano-dollars: seven calls' cost, and no more than the reservation of one call's
    dear = AgentVersion("v3", GOOD.target, "You are v3.", {"max_tokens": "10"})
    async with evaluated(tmp_path, limit) as (standin, targets):
        with pytest.raises(LimitReached):
            await run(targets, *SIXTY, stable=None, candidate=dear, max_concurrency=16)
        assert 0 < targets.cost_limit.spent <= limit
        assert len(standin.requests) == 7  # an eighth might cost 10 million beyond 56


async def test_a_busy_provider_is_waited_for(tmp_path: Path) -> None:
    """A rate limit makes no case fail; retry-after is obeyed."""
    async with evaluated(tmp_path) as (standin, targets):
        limited = ModelBehaviour(chunk_text="shipped ", fault_script=("status",), status=429, retry_after_seconds=0.01)
        standin.behave("good", limited)
        result = await run(targets, SIXTY[0], stable=None, candidate=GOOD)
    assert [each.pair.candidate for each in result.results] == [(True,)]


async def test_an_outage_is_undecided(tmp_path: Path) -> None:
    """It is nobody's failure, and no pass."""
    async with evaluated(tmp_path, patience=Patience(answer=5.0, busy=0.0)) as (standin, targets):
        await standin.stop()
        result = await run(targets, *SIXTY[:2], stable=None, candidate=GOOD)
    assert result.verdict.status == "failed"
    assert "2 of 2 runs undecided" in result.verdict.sentence


async def test_a_refused_key_is_undecided_and_not_kept(tmp_path: Path) -> None:
    """The version is not to blame, and the next run asks again; nor is a refused request kept."""
    for status, outcome in ((401, None), (400, False)):
        async with evaluated(tmp_path) as (standin, targets):
            with kept_answers(tmp_path / "answers") as kept:
                standin.behave("good", ModelBehaviour(error_rate=1, status=status))
                refused = await run(targets, SIXTY[0], stable=None, candidate=GOOD, kept=kept)
                assert refused.results[0].pair.candidate == (outcome,)
                standin.behave("good", ModelBehaviour(chunk_text="shipped "))
                mended = await run(targets, SIXTY[0], stable=None, candidate=GOOD, kept=kept)
                assert mended.results[0].pair.candidate == (True,)


async def test_progress_is_shown_after_each_case(tmp_path: Path) -> None:
    """With what was found and spent by then."""
    seen: list[tuple[int, int]] = []

    def show(progress: Progress) -> None:
        seen.append((progress.done, progress.failed))

    async with evaluated(tmp_path) as (_, targets):
        await run(targets, *SIXTY[:3], show=show, settings=RunSettings(max_concurrency=1))
    assert [each for each in seen if each[0] < 3] + seen[-1:] == [(1, 1), (2, 2), (3, 3)]


async def test_no_more_cases_run_at_once_than_the_suite_says(tmp_path: Path) -> None:
    """Its own number, whatever the number of cases."""
    running = most = 0

    async def slowly(case: Case, answer: CaseAnswer, answer_key: str) -> CaseScore:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.01)
        running -= 1
        return await holds_expected(case, answer)

    async with evaluated(tmp_path) as (_, targets):
        await run(targets, *SIXTY[:8], stable=None, candidate=GOOD, max_concurrency=2, score=slowly)
    assert most == 2


class KeepsAll(AnswerCache):
    """Kept answers for whatever is asked."""

    def find(self, key: str) -> bytes | None:
        return b'{"text": "shipped"}'


async def test_a_large_suite_takes_time_in_proportion(tmp_path: Path) -> None:
    """What is compared after a case does not grow with the cases before it."""
    taken = []
    async with evaluated(tmp_path) as (_, targets):
        for count in (400, 800):
            cases = [case_of(f"case-{number}") for number in range(count)]
            with CallCount() as calls:
                await run(targets, *cases, kept=KeepsAll())
            taken.append(calls.total)
    assert taken[1] / taken[0] < 2.2, taken
