"""A suite asked of a version and of stable, side by side, until the verdict is certain."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import orjson
from pydantic import TypeAdapter

from evals.answer import CaseAnswer
from evals.cases import Case, Suite
from evals.checks.scores import CaseScore
from evals.results import CaseResult, CaseRun, SuiteResult
from evals.running.cost_limit import LimitReached
from evals.running.kept_answers import AnswerCache, key_of
from evals.running.targets import Targets
from evals.running.trajectory import Undecided, answer_case
from evals.verdict.paired import FreshRuns, RunningEvidence, cases_to_confirm, compare
from evals.verdict.verdict import VerdictLimits, suite_verdict
from routing.agents import AgentVersion

_ANSWER: Final = TypeAdapter(CaseAnswer)

# The last argument is the key of the answer, by which scores of it may be kept; '' where they may not.
Scorer = Callable[[Case, CaseAnswer, str], Awaitable[CaseScore]]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run. `repeat` and `max_concurrency` are the suite's own where they are None."""

    repeat: int | None = None
    max_concurrency: int | None = None
    limits: VerdictLimits = field(default_factory=VerdictLimits)


@dataclass(slots=True)
class Progress:
    """Progress of a run, for whoever shows it after each change."""

    cases: int
    done: int = 0
    worse: int = 0
    failed: int = 0
    spent_nano_usd: int = 0
    confirming: int = 0


@dataclass(slots=True)
class SuiteRun:
    """A run of a suite. Without `stable` the version is held to the checks alone."""

    agent: str
    candidate: AgentVersion
    stable: AgentVersion | None
    suite: Suite
    targets: Targets
    score: Scorer
    kept: AnswerCache
    settings: RunSettings
    show: Callable[[Progress], None]
    _results: list[CaseResult] = field(default_factory=list)
    _evidence: RunningEvidence = field(default_factory=RunningEvidence)
    _next_start: float = 0.0

    async def run(self) -> SuiteResult:
        """Ask all cases, then newly failing ones again. Raises LimitReached."""
        began, cases = time.time(), self.suite.cases
        progress = Progress(len(cases))
        await self._ask_all(cases, progress)
        await self._confirm(progress)
        order = {case.id: number for number, case in enumerate(cases)}
        results = tuple(sorted(self._results, key=lambda result: order[result.case.id]))
        verdict = suite_verdict([each.pair for each in results], _fresh(results), self.settings.limits)
        return SuiteResult(
            self.agent, self.candidate, self.stable, self.suite, self._repeat, results, verdict, began, time.time(),
            self.targets.cost_limit.spent, len(cases) - len(results), self.settings.limits.margin,
        )  # fmt: skip

    def calls(self) -> int:
        """Return how many cases are asked in all, with repeats and both versions."""
        return len(self.suite.cases) * self._repeat * (1 if self.stable is None else 2)

    def unpriced(self) -> list[str]:
        """Return the targets whose price is not known."""
        versions = [self.candidate] if self.stable is None else [self.candidate, self.stable]
        return sorted({str(version.target) for version in versions if not self.targets.has_price(version)})

    def most_cost(self) -> int | None:
        """Return what one call of each may cost at most, in nano-dollars, without judges; None without a price."""
        if self.unpriced():
            return None
        versions = [self.candidate] if self.stable is None else [self.candidate, self.stable]
        sizes = [len(orjson.dumps(case.messages, default=dict)) for case in self.suite.cases]
        return self._repeat * sum(self.targets.most_cost(version, size) for version in versions for size in sizes)

    @property
    def _repeat(self) -> int:
        return self.settings.repeat or self.suite.repeat

    async def _ask_all(self, cases: Iterable[Case], progress: Progress) -> None:
        """Ask the cases, so many at the same time, until all are asked or the version is proved to be worse."""
        waiting = iter(cases)
        beyond: list[LimitReached] = []

        async def work() -> None:
            for case in waiting:
                try:
                    result = await self._ask_case(case)
                except LimitReached as error:
                    beyond.append(error)
                if beyond:
                    return
                self._results.append(result)
                self._evidence.add(result.pair)
                self._count(progress, result)
                if self.stable is not None and self._is_lost():
                    return

        workers = self.settings.max_concurrency or self.suite.max_concurrency
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(work())
        if beyond:
            raise beyond[0]

    def _is_lost(self) -> bool:
        """Return whether nothing that is still to be asked can change the verdict."""
        return self._evidence.is_proved_worse(self.settings.limits.alpha)

    def _count(self, progress: Progress, result: CaseResult) -> None:
        progress.done += 1
        progress.worse += result.pair.comparison == "worse"
        progress.failed += not result.pair.passes_always
        progress.spent_nano_usd = self.targets.cost_limit.spent
        self.show(progress)

    async def _ask_case(self, case: Case) -> CaseResult:
        result = CaseResult(case)
        for repeat in range(self._repeat):
            result.candidate.append(await self._run_once(self.candidate, case, repeat))
            if self.stable is not None:
                result.stable.append(await self._run_once(self.stable, case, repeat))
        return result

    async def _confirm(self, progress: Progress) -> None:
        """Ask newly failing cases again, both versions afresh, while that can still prove something."""
        by_id = {result.case.id: result for result in self._results}
        while wanted := self._to_confirm():
            progress.confirming = len(wanted)
            self.show(progress)
            for name in wanted:
                await self._ask_afresh(by_id[name])
        progress.confirming = 0

    def _to_confirm(self) -> tuple[str, ...]:
        if self.stable is None:
            return ()
        compared = compare([result.pair for result in self._results])
        return cases_to_confirm(compared, _fresh(self._results), self.settings.limits.alpha)

    async def _ask_afresh(self, result: CaseResult) -> None:
        if self.stable is None:
            return
        ours = await self._run_once(self.candidate, result.case, None)
        theirs = await self._run_once(self.stable, result.case, None)
        result.fresh.append((ours, theirs))

    async def _run_once(self, version: AgentVersion, case: Case, repeat: int | None) -> CaseRun:
        """Ask once, or take the answer that was kept; without a number of the repeat, always ask."""
        key = "" if repeat is None else self._key(version, case, repeat)
        if key and (found := self.kept.find(key)) is not None:
            return await self._score_run(case, _ANSWER.validate_json(found), key, is_kept=True)
        await self._wait_for_turn()
        try:
            answer = await answer_case(self.targets, version, case)
        except Undecided as error:
            return CaseRun(undecided=str(error))
        if key and not answer.error:  # what was refused may be mended at the provider
            self.kept.keep(key, _ANSWER.dump_json(answer))
        return await self._score_run(case, answer, key)

    async def _score_run(self, case: Case, answer: CaseAnswer, key: str, *, is_kept: bool = False) -> CaseRun:
        score = await self.score(case, answer, key)
        return CaseRun(answer, score, score.reason if score.undecided else "", is_kept)

    async def _wait_for_turn(self) -> None:
        """Keep the suite's time between two calls."""
        if self.suite.delay_seconds:
            now = time.monotonic()
            at = max(self._next_start, now)
            self._next_start = at + self.suite.delay_seconds
            await asyncio.sleep(at - now)

    def _key(self, version: AgentVersion, case: Case, repeat: int) -> str:
        asked = orjson.dumps([case.messages, case.tool_results, case.inputs, case.max_turns], default=dict).decode()
        return key_of(version.digest, self.targets.address_of(version), asked, str(repeat))


def _fresh(results: Iterable[CaseResult]) -> FreshRuns:
    return {
        result.case.id: [(ours.outcome, theirs.outcome) for ours, theirs in result.fresh]
        for result in results
        if result.fresh
    }
