"""Contents of calls in the store: a key for each, which ends by itself, and a stream in the order of time that bounds
them. `keep_contents.lua` changes the stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.store.content_seam import ContentBounds, KeptContent
from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import KEEP_CONTENTS

_CONTENTS_AT_ONCE = 10  # in one script: up to some 10 MB where calls may take 1 MB each
_KEYS_AT_ONCE = 20
_ENTRIES_AT_ONCE: Final = 1_000  # of the stream, when a conversation is looked for in it


class KeptContents:
    """The operations of `RedisStore` on contents of calls."""

    async def keep_contents(self: Reaching, agent: str, contents: Sequence[KeptContent], bounds: ContentBounds) -> None:
        async with self._reach():
            for first in range(0, len(contents), _CONTENTS_AT_ONCE):
                portion = contents[first : first + _CONTENTS_AT_ONCE]
                keys = [*_ring(agent), *(_content(agent, each.key) for each in portion)]
                arguments = (bounds.bytes, bounds.seconds, orjson.dumps([list(each) for each in portion]))
                if gone := await self._run(KEEP_CONTENTS, keys, arguments):
                    await self._client.delete(*(_content(agent, key) for key in gone))

    async def find_contents(self: Reaching, agent: str, keys: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        async with self._reach():
            for first in range(0, len(keys), _KEYS_AT_ONCE):
                pipe = self._pipeline()
                portion = keys[first : first + _KEYS_AT_ONCE]
                for key in portion:
                    pipe.get(_content(agent, key))
                texts = await self._execute(pipe)
                found |= {key: text for key, text in zip(portion, texts, strict=True) if text}
        return found

    async def forget_contents(self: Reaching, agent: str, keys: Sequence[str], threads: Sequence[str]) -> int:
        """Entries of the stream stay until their turn comes: they hold no text."""
        wanted = dict.fromkeys(keys)
        async with self._reach():
            after, of_threads, is_more = "-", frozenset(threads), bool(threads)
            while is_more:
                entries: Any = await self._client.xrange(_ring(agent)[0], after, "+", count=_ENTRIES_AT_ONCE)
                wanted |= dict.fromkeys(_keys_in(entries, of_threads))
                is_more = len(entries) == _ENTRIES_AT_ONCE
                after = entries[-1][0] if entries else after
            names = [_content(agent, key) for key in wanted]
            verdicts = [key_of(agent, "judge", "call", key) for key in wanted]  # their reasons quote the texts
            deleted = 0
            for first in range(0, len(names), _ENTRIES_AT_ONCE):
                deleted += await self._client.delete(*names[first : first + _ENTRIES_AT_ONCE])
                await self._client.delete(*verdicts[first : first + _ENTRIES_AT_ONCE])
        return deleted


def _ring(agent: str) -> tuple[str, str]:
    return key_of(agent, "trace", "contents"), key_of(agent, "trace", "contents_bytes")


def _content(agent: str, key: str) -> str:
    return key_of(agent, "trace", "content", key)


def _keys_in(entries: Sequence[tuple[str, Mapping[str, Any]]], threads: frozenset[str]) -> Iterator[str]:
    return (fields["key"] for _, fields in entries if fields.get("thread") in threads)
