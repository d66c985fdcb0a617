"""The store's part for feedback: scored calls, and the last answered call of each conversation."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import REMEMBER
from gateway.store.sums import digest

SCORED_SECONDS = 7 * 24 * 3600  # people who give feedback twice do so soon
REMEMBERED_SECONDS = 7 * 24 * 3600  # and people who give it on a conversation, too


class FeedbackStore:
    """The feedback operations of `RedisStore`."""

    async def first_feedback(
        self: Reaching, agent: str, name: str, mark: str = "1", *, may_repeat: bool = False
    ) -> bool:
        async with self._reach():
            scored = _scored(agent, name)
            is_first = bool(await self._client.set(scored, mark, nx=True, ex=SCORED_SECONDS))
            return is_first or (may_repeat and await self._client.get(scored) == mark)

    async def feedback_marks(self: Reaching, agent: str, names: Sequence[str]) -> dict[str, str]:
        async with self._reach():
            pipe = self._pipeline()
            for name in names:
                pipe.get(_scored(agent, name))
            marks = await self._execute(pipe)
        return {name: mark for name, mark in zip(names, marks, strict=True) if mark}

    async def remember(self: Reaching, agent: str, calls: Mapping[tuple[str, str], str]) -> None:
        by_caller: defaultdict[str, list[str]] = defaultdict(list)
        for (caller, conversation), call_id in calls.items():
            by_caller[caller] += (conversation, call_id)
        bounds = (self._bounds.conversations, REMEMBERED_SECONDS)
        async with self._reach():
            for caller, pairs in by_caller.items():
                await self._run(REMEMBER, _hashes(agent, caller), (*bounds, *pairs))

    async def last_call(self: Reaching, agent: str, caller: str, conversation: str) -> str | None:
        async with self._reach():
            pipe = self._pipeline()
            for name in _hashes(agent, caller):
                pipe.hget(name, conversation)
            new, old = await self._execute(pipe)
        found: str | None = new or old
        return found


def _scored(agent: str, name: str) -> str:
    return key_of(agent, "scored", digest(name).hex())


def _hashes(agent: str, caller: str) -> tuple[str, str]:
    """KEYS of remember.lua."""
    name = digest(caller).hex()
    return key_of(agent, "answered", name, "new"), key_of(agent, "answered", name, "old")
