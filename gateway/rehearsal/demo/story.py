"""The story in six acts: v1 alone, v2 on trial, v2 breaks, the rollback, the quiet after it, and v3 at the gate."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from time import time
from typing import Any

from gateway.rehearsal.demo.checks import StoryFacts
from gateway.rehearsal.demo.children import DemoFailed
from gateway.rehearsal.demo.files import AGENT, CANARY, REFUSED, RULE, STABLE, SUITE, begin_gated_trial, begin_trial
from gateway.rehearsal.demo.ledger import ClientCall
from gateway.rehearsal.demo.sight import Sight, applied_at
from gateway.rehearsal.demo.stage import BROKEN_ERRORS, Stage

LONGEST_SECONDS = 130.0  # the whole story; every wait below has a limit of its own
_ALONE_SECONDS = 3.0
_TRIAL_SECONDS = 20.0
_QUIET_SECONDS = 5.0
_RELOAD_SECONDS = 10.0
_ROLLBACK_SECONDS = 60.0  # a simulation of the demo took 10 s at the median, 36 s at 99.9 %
_STEP_SECONDS = 0.05


@dataclass(slots=True)
class Story:
    """State of the story, and its notes. `say` hears of every turn of events."""

    stage: Stage
    say: Callable[[str], None]
    facts: StoryFacts = field(default_factory=StoryFacts)
    act: str = "getting ready"
    began_at: float = field(default_factory=time)

    async def tell(self) -> None:
        """Play all acts. Raises DemoFailed when something does not happen in time."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._all_acts()
        except TimeoutError:
            message = f"the story did not end within {LONGEST_SECONDS:g} s; it stopped at: {self.act}"
            raise DemoFailed(message) from None

    async def _all_acts(self) -> None:
        await self._alone()
        await self._trial()
        await first_of(self._break(), self._rollback())
        await self._note_rollback()
        await self._quiet()
        await self._gate()

    async def _alone(self) -> None:
        self.act = f"{STABLE} alone"
        self.say(f"{STABLE} serves everything: the openai SDK calls two replicas, half of the answers are streams")
        await asyncio.sleep(_ALONE_SECONDS)

    async def _trial(self) -> None:
        self.act = f"{CANARY} on trial"
        self.facts.edited_at = time()
        await asyncio.to_thread(begin_trial, self.stage.config)
        self.say(f"routing.yaml edited: canary: {CANARY}, weight: 5%")
        await self._until(lambda sight: sight.on_trial, _RELOAD_SECONDS, "both replicas split the traffic")
        self.facts.split_at = time()
        evidence = f"E is the evidence against {CANARY}: one as good as {STABLE} ever reaches 100 in 1 of 100 rollouts"
        self.say(f"{evidence}, so at 100 it is rolled back")
        self.say(f"both replicas took it up, {self.facts.split_at - self.facts.edited_at:.2f} s after the edit")
        await asyncio.sleep(_TRIAL_SECONDS)
        if any(sight.rolled_back for sight in self._sights()):
            why = self._sights()[0].reason
            raise DemoFailed(f"{CANARY} was rolled back while it was well; chance does that once in a hundred: {why}")

    async def _break(self) -> None:
        self.act = f"{CANARY} fails"
        canary = self._sights()[0].canary
        self.facts.canary_before = canary.requests if canary else 0
        self.facts.broken_at = time()
        self.say(f"the model of {CANARY} begins to fail {BROKEN_ERRORS:.0%} of its calls (500, error in a 200, reset)")
        await self.stage.break_canary()

    async def _rollback(self) -> None:
        await self._until(lambda sight: sight.rolled_back, _ROLLBACK_SECONDS, f"{CANARY} is rolled back")

    async def _note_rollback(self) -> None:
        """Note the rollback from the record, the audit trail and the replicas' logs: more exact than polling."""
        facts, sight = self.facts, self._sights()[0]
        applied = await asyncio.to_thread(self._turns, sight.epoch)
        events = [event for event in await self.stage.audit() if event["action"] == "roll_back"]
        facts.first_failure_at = first_failure(self.stage.ledger.since(facts.broken_at or 0.0))
        facts.evidence, facts.rollbacks = events[0]["evidence"] if events else {}, len(events)
        facts.actor, facts.reason = sight.actor, sight.reason
        facts.applied_at, facts.rolled_back_at = applied, sight.changed_at
        self.say(f"ROLLED BACK by the {sight.actor}: {sight.reason}")

    def _turns(self, epoch: int) -> dict[str, float]:
        turns: dict[str, float] = {}
        for replica in self.stage.replicas:
            with replica.log.open("r", encoding="utf-8", errors="replace") as log:
                at = applied_at(log, epoch)
            if at is not None:
                turns[replica.name] = at
        return turns

    async def _quiet(self) -> None:
        self.act = f"{STABLE} alone again"
        await asyncio.sleep(_QUIET_SECONDS)
        self.facts.quiet_until = time()
        self.facts.sums = self._sights()[0].versions
        self.facts.rollbacks = sum(event["action"] == "roll_back" for event in await self.stage.audit())
        self.say(f"{CANARY} has had no traffic for {_QUIET_SECONDS:g} s, and its model is still broken")

    async def _gate(self) -> None:
        """Put a worse prompt on trial behind the gate, and let it be evaluated."""
        self.act = f"{REFUSED} at the gate"
        await asyncio.to_thread(begin_gated_trial, self.stage.config)
        self.facts.gated_at = time()
        self.say(f"{REFUSED} is a shorter prompt. It has lost a rule: '{RULE}'")
        self.say(f"routing.yaml edited: canary: {REFUSED}, weight: 5%, but only once it has passed {SUITE}")
        await self._until(lambda sight: sight.is_gated, _RELOAD_SECONDS, f"{REFUSED} waits at 0 %")
        self.say(f"both replicas keep {REFUSED} at 0 %; now: serinus eval {AGENT}@{REFUSED} --record")
        self.facts.verdict = await self.stage.evaluate(REFUSED)
        await self._until(lambda sight: sight.is_refused, _RELOAD_SECONDS, f"{REFUSED} is refused")
        self.facts.refused_at = time()
        self.say(f"REFUSED at 0 %: {self._sights()[0].reason}")

    def _sights(self) -> list[Sight]:
        return [sight for sight in self.stage.sights if sight is not None]

    async def _until(self, seen: Callable[[Sight], bool], seconds: float, what: str) -> None:
        """Wait until every replica shows it. Raises DemoFailed when that takes longer."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if len(self._sights()) == len(self.stage.replicas) and all(map(seen, self._sights())):
                        return
                    await asyncio.sleep(_STEP_SECONDS)
        except TimeoutError:
            shown = "; ".join(f"{sight.phase}, E = {sight.e_value:.3g}" for sight in self._sights())
            raise DemoFailed(f"waited {seconds:g} s until {what}; the replicas show: {shown}") from None


def first_failure(calls: Iterable[ClientCall]) -> float | None:
    """Return when the canary's first call that needed a second attempt began, in Unix seconds."""
    return min((call.started_at for call in calls if call.version == CANARY and call.attempts > 1), default=None)


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run them side by side until one ends, cancel the others, and raise what the one raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
