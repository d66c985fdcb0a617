"""Batches on their way into the store: each once, in order, and none lost on the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.conversation import conversation_key
from gateway.errors import StoreAway
from gateway.rollout.flusher import Flusher
from gateway.rollout.named_conversations import Conversations
from gateway.store import Arm, Batch, FlushReply
from tests.gateway.rollout.test_recorder import outcome

REPLY = FlushReply(1, None, 0.0)


@dataclass(slots=True)
class Recorded:
    """Stands for the recorder: batches that wait, by agent."""

    batches: dict[str, list[Batch]] = field(default_factory=dict)
    conversations: Conversations = field(default_factory=Conversations)

    def add(self, agent: str, requests: int) -> None:
        self.batches.setdefault(agent, []).append(Batch(1, 1, stable=Arm(requests)))

    def agents(self) -> Sequence[str]:
        return [*(agent for agent, waiting in self.batches.items() if waiting), *self.conversations.agents()]

    def waiting(self, agent: str) -> int:
        return len(self.batches.get(agent, ()))

    def take(self, agent: str) -> Batch | None:
        waiting = self.batches.get(agent)
        return waiting.pop(0) if waiting else None


@dataclass(slots=True)
class Applied:
    """Stands for the store: applies a sequence once, as Redis does. `fate` says what becomes of the next flushes."""

    fate: list[str] = field(default_factory=list)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    sums: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    remembered: dict[Any, str] = field(default_factory=dict)
    away: int = 0

    async def flush(self, agent: str, sequence: int, batch: Batch) -> FlushReply:
        fate = self.fate.pop(0) if self.fate else "applied"
        self.asked.append((agent, sequence, batch.stable.requests))
        await asyncio.sleep(0)
        if fate != "refused" and sequence > self.last.get(agent, 0):
            self.last[agent] = sequence
            self.sums[agent] = self.sums.get(agent, 0) + batch.stable.requests
        if fate != "applied":
            raise StoreAway(fate)
        return REPLY

    async def remember(self, agent: str, calls: Any) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise StoreAway("away")
        self.remembered.update({(agent, *named): call_id for named, call_id in calls.items()})


def stage(*fate: str) -> tuple[Recorded, Any, Flusher, list[int]]:
    """A flusher between recorder and store, and the batches that were replied to."""
    recorded, applied, replies = Recorded(), Applied(list(fate)), list[int]()

    async def on_reply(_: str, batch: Batch, __: FlushReply) -> None:
        replies.append(batch.stable.requests)

    return recorded, applied, Flusher(applied, recorded, on_reply), replies  # type: ignore[arg-type]  # stand-ins


@pytest.mark.parametrize("fate", ["refused", "reply lost"])
async def test_a_batch_of_unknown_fate_is_sent_again_as_it_was(fate: str) -> None:
    """Before anything newer and under the same sequence, whether it was applied or not: counted once."""
    recorded, applied, flusher, replies = stage(fate)
    recorded.add("a", 7)
    with pytest.raises(StoreAway):
        await flusher.flush("a")
    recorded.add("a", 2)
    assert flusher.agents() == ["a"]
    await flusher.flush("a")
    assert applied.asked == [("a", 1, 7), ("a", 1, 7), ("a", 2, 2)]
    assert applied.sums == {"a": 9} and replies == [7, 2] and flusher.agents() == []


async def test_side_by_side_flushes_of_one_agent_take_turns() -> None:
    """Else a newer sequence could overtake an older one, which the store would then take for a repetition."""
    recorded, applied, flusher, _ = stage()
    for _ in range(20):
        recorded.add("a", 1)
    await asyncio.gather(*(flusher.flush("a") for _ in range(5)))
    assert [sequence for _, sequence, _ in applied.asked] == list(range(1, 21)) and applied.sums == {"a": 20}


async def test_a_flush_ends_however_much_comes_meanwhile() -> None:
    """What was counted while it was under way waits for the next one; else it would go on for as long as there are
    calls, as fast as the store answers."""
    recorded, applied = Recorded(), Applied()

    async def on_reply(agent: str, _: Batch, __: FlushReply) -> None:
        recorded.add(agent, 1)

    flusher = Flusher(applied, recorded, on_reply)  # type: ignore[arg-type]  # stand-ins
    recorded.add("a", 1)
    recorded.add("a", 1)
    await flusher.flush("a")
    assert applied.sums == {"a": 2} and flusher.agents() == ["a"]
    await flusher.flush("a")
    assert applied.sums == {"a": 4}


async def test_a_flush_that_is_cancelled_loses_nothing() -> None:
    """Whatever was under way is sent again by the next one."""
    recorded, applied, flusher, _ = stage()
    recorded.add("a", 3)
    task = asyncio.create_task(flusher.flush("a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await flusher.flush("a")
    assert applied.sums == {"a": 3}


async def test_one_agents_trouble_is_its_own() -> None:
    """Another agent's sequence is another."""
    recorded, applied, flusher, _ = stage("refused")
    recorded.add("a", 1)
    recorded.add("b", 2)
    results = await asyncio.gather(*(flusher.flush(agent) for agent in ("a", "b")), return_exceptions=True)
    assert isinstance(results[0], StoreAway) and results[1] is None
    assert applied.sums == {"b": 2} and flusher.agents() == ["a"]


async def test_conversations_follow_their_batch() -> None:
    """Until the store has them, whatever becomes of the first try; then they wait no more."""
    recorded, applied, flusher, _ = stage()
    recorded.add("a", 1)
    recorded.conversations.note(replace(outcome(), conversation="chat-1", call_id="c-1"))
    applied.away = 1
    with pytest.raises(StoreAway):
        await flusher.flush("a")
    assert list(flusher.agents()) == ["a"]
    await flusher.flush("a")
    assert applied.remembered == {("a", "web", conversation_key("web", "chat-1")): "c-1"} and not flusher.agents()
