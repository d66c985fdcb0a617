"""The writer of contents: off the path, bounded, and not held up by a single call."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest_asyncio

from gateway import logs
from gateway.contents.content import CallContent, ContentMessage, ContentPart, decode, encode
from gateway.contents.reader import ContentReader
from gateway.contents.writer import ContentWriter
from gateway.heard import HeardCall, HeardRequest, HeldBytes
from gateway.store import connect
from gateway.traces.record import CallRecord
from routing.agents import ContentRules
from tests.support.faulty_store import FaultyStore, deny
from tests.support.traces import made

ANSWER = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
}  # fmt: skip


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[FaultyStore]:
    opened = FaultyStore(connect(redis_url), "replica")
    yield opened
    await opened.aclose()


class Stage:
    """A writer over a store, its log, and the calls that it was given."""

    def __init__(self, store: FaultyStore, agent: str) -> None:
        self.out = io.BytesIO()
        self.writer = ContentWriter(store, logs.to(self.out))
        self.reader = ContentReader(store)
        self.held = HeldBytes()
        self._agent = agent

    def end(self, key: str, rules: ContentRules | None = None, **more: Any) -> CallRecord:
        """Let a call end, and return its record."""
        heard = HeardCall(rules or ContentRules(), self.held)
        heard.hear(json.dumps(ANSWER).encode())
        heard.ask(HeardRequest({"messages": [{"role": "user", "content": f"hello {key}"}]}, 0, False, 50))
        record = replace(made(key, 0.0), agent=self._agent, **{"conversation": "0" * 16, **more})
        self.writer.note(record, heard)
        return record

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.out.getvalue().splitlines()]


def test_a_content_is_read_back_as_it_was() -> None:
    """A newer release may have more members, in contents and in parts."""
    said = ContentMessage("assistant", (ContentPart("tool_call", "{}", "c1", "look_up"),))
    content = CallContent((said,), said, 3, True, False, 2)
    assert decode(encode(content)) == content
    newer = json.loads(encode(content)) | {"new": 1}
    newer["messages"][0]["parts"][0]["new"] = 1
    assert decode(json.dumps(newer)) == content
    assert content.system == () and said.text == ""


async def test_what_was_heard_is_read_by_the_call(store: FaultyStore, agent: str) -> None:
    """Messages in, an answer out; and nothing is held once it is written."""
    stage = Stage(store, agent)
    records = [stage.end(str(number)) for number in range(25)]
    await stage.writer.finish()
    content = await stage.reader.of_call(records[7])
    assert content is not None and content.answer is not None
    assert ([each.text for each in content.messages], content.answer.text) == (["hello 7"], "Hi.")
    assert len(await stage.reader.of_calls(records)) == 25 and stage.held.held == 0
    assert list(await stage.reader.of_calls(records, most_bytes=1)) == [str(number) for number in range(15, 25)]


async def test_a_conversation_that_is_not_drawn(store: FaultyStore, agent: str) -> None:
    """Told by the key of the conversation that the call turned out to belong to."""
    stage, rules = Stage(store, agent), ContentRules(sample=5_000)
    low, high = stage.end("1", rules), stage.end("2", rules, conversation="f" * 16)
    await stage.writer.finish()
    assert list(await stage.reader.of_calls([low, high])) == ["1"]


async def test_a_store_that_is_away(store: FaultyStore, agent: str) -> None:
    """What was heard waits, and is written once."""
    stage = Stage(store, agent)
    store.script("keep_contents", deny)
    record = stage.end("1")
    await stage.writer.finish()
    assert stage.events() == ["contents_not_recorded"] and await stage.reader.of_call(record) is None
    await stage.writer.write(1)
    assert await stage.reader.of_call(record) is not None


async def test_a_conversation_is_forgotten(store: FaultyStore, agent: str) -> None:
    """By its key, and by its calls."""
    stage = Stage(store, agent)
    records = [stage.end("1"), stage.end("2", conversation="1" * 16), stage.end("3", conversation="2" * 16)]
    await stage.writer.finish()
    assert await stage.reader.forget("0" * 16, records[1:2], [agent]) == 2
    assert list(await stage.reader.of_calls(records)) == ["3"]


async def test_what_cannot_wait_is_dropped(store: FaultyStore, agent: str) -> None:
    """And counted: a call whose request there was no room for."""
    stage = Stage(store, agent)
    stage.held.most = 0
    stage.end("1")
    assert stage.writer.dropped == 1
