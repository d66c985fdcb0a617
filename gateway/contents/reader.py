"""Reading of recorded contents from the store: what an evaluation, a review and the pages take."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.contents.content import CallContent, decode
from gateway.store.seam import Store
from gateway.traces.record import CallRecord

MOST_AT_ONCE = 2 << 20  # bytes of contents that are read for one reader
_CALLS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class ContentReader:
    """The reader of one replica. All raise StoreAway.

    Whoever shows a content to somebody asks first whether they may see it: the admin, or the key that made the call.
    """

    store: Store

    async def of_call(self, record: CallRecord) -> CallContent | None:
        """Return what was asked and answered in a call; None where nothing was recorded, or is kept no longer."""
        return (await self.of_calls([record])).get(record.key)

    async def of_calls(
        self, records: Sequence[CallRecord], most_bytes: int = MOST_AT_ONCE
    ) -> Mapping[str, CallContent]:
        """Return the contents of these calls by the calls' keys, as far as they are kept: of about so many bytes in
        all, beginning with the last of the calls."""
        found: dict[str, CallContent] = {}
        for first in range(len(records), 0, -_CALLS_AT_ONCE):
            keys: defaultdict[str, list[str]] = defaultdict(list)
            for record in records[max(0, first - _CALLS_AT_ONCE) : first]:
                keys[record.agent].append(record.key)
            for agent, own in keys.items():
                texts = await self.store.find_contents(agent, own)
                found |= {key: decode(text) for key, text in texts.items()}
                most_bytes -= sum(map(len, texts.values()))
            if most_bytes <= 0:
                break
        return found

    async def of_keys(self, agent: str, keys: Sequence[str]) -> Mapping[str, CallContent]:
        """Return the contents of an agent's calls by the calls' keys, as far as they are kept."""
        texts = await self.store.find_contents(agent, keys) if keys else {}
        return {key: decode(text) for key, text in texts.items()}

    async def forget(self, conversation: str, records: Iterable[CallRecord], agents: Iterable[str]) -> int:
        """Delete the contents of a conversation's calls, and their reviews; return how many contents there were."""
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for record in records:
            keys[record.agent].append(record.key)
        count = 0
        for agent in agents:
            count += await self.store.forget_contents(agent, keys[agent], [conversation])
            await self.store.forget_reviews(agent, keys[agent], [conversation])
        return count
