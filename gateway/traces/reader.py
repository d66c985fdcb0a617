"""Reading of calls' records from the store, whichever replica served the calls."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from gateway.contents.reader import ContentReader
from gateway.errors import StoreAway
from gateway.store.handover_seam import Handed
from gateway.store.seam import Store
from gateway.traces.codec import decode, decode_all
from gateway.traces.record import CallRecord, key_of_nonce
from gateway.traces.threads import answer_join, is_unique, tool_join
from gateway.traces.writer import TraceWriter

MOST_CALLS = 400  # of one conversation, with its sub-agents, that are read at once
_MOST_HANDED_ON = 4  # tool calls by which conversations of other agents are looked for, each at all agents
_MOST_OTHERS = 12  # conversations beside one that are read with it
_MOST_HANDOVERS = 20  # of a conversation's calls; each is read with its messages
_MOST_AT_ONCE = 2_000  # records that this replica writes before it reads
_MOST_CONTENTS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Conversation:
    """The calls of a conversation, the earliest first, and of others that belong to the same trace."""

    calls: tuple[CallRecord, ...]
    others: tuple[tuple[CallRecord, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TraceReader:
    """The reader of one replica. All raise StoreAway."""

    store: Store
    writer: TraceWriter

    async def catch_up(self) -> None:
        """Write what has ended here, so that it can be found."""
        with suppress(StoreAway):
            await self.writer.write(_MOST_AT_ONCE)
            await self.writer.contents.write(_MOST_CONTENTS_AT_ONCE)

    @property
    def contents(self) -> ContentReader:
        """Return the reader of recorded texts."""
        return ContentReader(self.store)

    async def call(self, agents: Sequence[str], nonce: bytes) -> CallRecord | None:
        """Return the call of that nonce, of one of these agents."""
        await self.catch_up()
        for agent in agents:
            if texts := await self.store.find_calls(agent, [key_of_nonce(nonce)]):
                (record,) = decode_all(texts)
                joined = await self.store.find_joined([agent], record.joins)
                return replace(record, conversation=joined[0]) if joined else record
        return None

    async def conversation(self, agents: Sequence[str], keys: Sequence[str]) -> Conversation | None:
        """Return the conversation of the first of these keys that is known, over all of these agents."""
        await self.catch_up()
        found = await self.records(agents, keys)
        own = next((found[key] for key in keys if key in found), None)
        if own is None:
            return None
        signs = dict.fromkeys(key for record in own for key in record.trace_keys)
        joined = await self.store.find_joined(agents, list(signs | dict.fromkeys(handed_on(own))))
        beside = [key for key in joined if key not in found][:_MOST_OTHERS]
        others = await self.records(agents, beside) if beside else {}
        return Conversation(tuple(own), tuple(tuple(others[key]) for key in beside if key in others))

    async def records(self, agents: Sequence[str], keys: Sequence[str]) -> dict[str, list[CallRecord]]:
        """Return the calls of these conversations, by their keys, the earliest call first."""
        left, texts = MOST_CALLS, dict[str, list[str]]()
        for agent, threads in (await self.store.find_threads(agents, keys)).items():
            for key, calls in threads.items():
                if left > 0:
                    texts.setdefault(key, []).extend(await self.store.find_calls(agent, calls[-left:]))
                    left -= len(calls)
        found = {key: decode_all(kept) for key, kept in texts.items() if kept}
        return {key: [replace(each, conversation=key) for each in calls] for key, calls in found.items()}

    async def handovers(self, records: Iterable[CallRecord]) -> dict[str, Handed]:
        """Return what became of the latest of these calls that went to people, by their ids."""
        escalated = sorted((each for each in records if each.end == "escalated"), key=lambda each: each.began_at)
        found = dict[str, Handed]()
        for agent, calls in groupby(sorted(escalated[-_MOST_HANDOVERS:], key=_agent_of), _agent_of):
            found |= await self.store.handovers(agent, [call.id for call in calls])
        return found

    async def in_order_of_ends(self, agent: str, key: str) -> list[CallRecord]:
        """Return an agent's calls of a conversation in the order in which they were kept."""
        keys = (await self.store.find_threads([agent], [key])).get(agent, {}).get(key, [])
        texts = await self.store.find_calls(agent, keys[-MOST_CALLS:])
        return [replace(decode(text), conversation=key) for text in texts]


def handed_on(calls: Sequence[CallRecord]) -> Iterator[str]:
    """Return the keys of what passes between these calls and another agent's: the latest tool calls that were asked
    for here and answered there, or the other way round, and an answer that is continued.
    """
    asked = {tool.id: call.caller for call in calls for tool in call.requested}
    returned = {tool.id: call.caller for call in calls for tool in call.returned}
    apart = [
        (caller, id_) for ids in (asked, returned) for id_, caller in ids.items() if (id_ in asked) != (id_ in returned)
    ]
    unique = [tool_join(caller, id_) for caller, id_ in apart if is_unique(id_)]
    yield from unique[-_MOST_HANDED_ON:]
    yield from [answer_join(call.caller, call.continues) for call in calls if call.continues][:1]


def _agent_of(record: CallRecord) -> str:
    return record.agent
