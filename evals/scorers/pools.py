"""The evaluators of a run: for each a few children that are started when needed, and ended with the run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Final

import orjson
from pydantic import JsonValue, TypeAdapter

from evals.checks.graders import GraderUnavailable
from evals.running.cost_limit import CostLimit
from evals.running.judges import Judges
from evals.running.kept_answers import AnswerCache, key_of
from evals.scorers.door import JudgeDoor
from evals.scorers.evaluator import Evaluator, EvaluatorReply
from evals.scorers.process import EvaluatorDeclined, EvaluatorFault, EvaluatorProcess

MOST_RESTARTS: Final = 10
_REPLY: Final = TypeAdapter(EvaluatorReply)


@dataclass(slots=True)
class _Child:
    process: EvaluatorProcess
    key: str  # of the door; '' where it may ask no model


class EvaluatorPool:
    """The children of one evaluator. A child that fails is replaced, ten times in all."""

    def __init__(self, evaluator: Evaluator, door: JudgeDoor, cost_limit: CostLimit) -> None:
        self._evaluator = evaluator
        self._door = door
        self._cost_limit = cost_limit
        self._slots = asyncio.Semaphore(evaluator.processes)
        self._idle: list[_Child] = []
        self._faults = 0
        self._last_fault = ""
        self._dearest = 0  # nano-dollars that an item has cost by what the evaluator says
        self._numbers = count(1)

    async def ask(self, item: Mapping[str, Any]) -> EvaluatorReply:
        """Return the score of an item. Raises GraderUnavailable, and LimitReached."""
        async with self._slots:
            await self._check_limit()
            try:
                reply = await self._ask_child({"id": f"{next(self._numbers)}:{item['case']}", **item})
            except EvaluatorFault as fault:
                self._faults += 1
                self._last_fault = str(fault)
                raise GraderUnavailable(f"evaluator {self._evaluator.name} {fault}") from None
            except EvaluatorDeclined as declined:
                self._count_cost(declined.cost_nano_usd)
                raise GraderUnavailable(f"evaluator {self._evaluator.name}: {declined}") from None
            self._count_cost(reply.cost_nano_usd)
            return reply

    async def aclose(self) -> None:
        """End the idle children. One at work ends with whoever waits for it."""
        while self._idle:
            await self._end(self._idle.pop())

    async def _ask_child(self, item: Mapping[str, Any]) -> EvaluatorReply:
        child = self._idle.pop() if self._idle else await self._start()
        try:
            reply = await child.process.ask(item)
        except EvaluatorDeclined:
            await self._put_back(child)
            raise
        except BaseException:  # also where the run is cancelled: nobody knows what the child would say next
            await self._end(child)
            raise
        await self._put_back(child)
        return reply

    async def _put_back(self, child: _Child) -> None:
        """Keep a child for the next item. Raises LimitReached where its judge would cost more than is left."""
        if (limit := self._door.limit_of(child.key)) is not None:
            await self._end(child)
            raise limit
        self._idle.append(child)

    async def _start(self) -> _Child:
        if self._faults > MOST_RESTARTS:
            raise GraderUnavailable(
                f"evaluator {self._evaluator.name} failed {self._faults} times and is not started again; "
                f"at last it {self._last_fault}"
            )
        key, variables = await self._door.admit(self._evaluator)
        try:
            return _Child(await EvaluatorProcess.start(self._evaluator, variables, key), key)
        except BaseException:
            await self._door.dismiss(key)
            raise

    async def _end(self, child: _Child) -> None:
        try:
            await child.process.end()
        finally:
            await self._door.dismiss(child.key)

    async def _check_limit(self) -> None:
        """Stop the run before an item that would cost more than is left, if it costs what the dearest did."""
        await self._cost_limit.reserve(self._dearest)
        self._cost_limit.settle(self._dearest, 0)

    def _count_cost(self, cost: int) -> None:
        self._cost_limit.settle(0, cost)
        self._dearest = max(self._dearest, cost)


@dataclass(slots=True)
class Evaluators:
    """Evaluators of a run, and their kept scores."""

    judges: Judges
    kept: AnswerCache
    _door: JudgeDoor = field(init=False)
    _pools: dict[Evaluator, EvaluatorPool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._door = JudgeDoor(self.judges)

    async def evaluate(self, evaluator: Evaluator, item: Mapping[str, JsonValue], answer_key: str) -> EvaluatorReply:
        """Return the score of an item, or the one that was kept for this answer. Raises as a pool does."""
        key = self._key(evaluator, item, answer_key) if answer_key else ""
        if key and (found := self.kept.find(key)) is not None:
            return _REPLY.validate_json(found)
        if evaluator not in self._pools:
            self._pools[evaluator] = EvaluatorPool(evaluator, self._door, self.judges.targets.cost_limit)
        reply = await self._pools[evaluator].ask(item)
        if key:
            self.kept.keep(key, orjson.dumps(asdict(reply)))
        return reply

    async def aclose(self) -> None:
        """End all children, then the door."""
        try:
            await asyncio.gather(*(pool.aclose() for pool in self._pools.values()))
        finally:
            await self._door.aclose()

    def _key(self, evaluator: Evaluator, item: Mapping[str, JsonValue], answer_key: str) -> str:
        """Return the key of a score: a repeat has its own, for a judge may waver."""
        names = (evaluator.judge or self.judges.usual, evaluator.embedder)
        addresses = [self.judges.address_of(name) for name in names if name is not None]
        asked = orjson.dumps([item, addresses, evaluator.env], default=dict).decode()
        return key_of("evaluator", evaluator.sha256, asked, answer_key)


@contextlib.asynccontextmanager
async def open_evaluators(judges: Judges, kept: AnswerCache) -> AsyncIterator[Evaluators]:
    """Open the evaluators of a run; at its end, however it ends, no child of theirs is left."""
    evaluators = Evaluators(judges, kept)
    try:
        yield evaluators
    finally:
        await evaluators.aclose()
