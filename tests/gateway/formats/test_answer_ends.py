"""What an answer ended with: its calls' arguments, and whether it holds anything, whole and as a stream."""

import json
from typing import Any

import pytest

from gateway.formats.answer import TextDelta
from gateway.formats.kept_text import MOST_KEPT, KeepingReader
from gateway.formats.openai_chat.provider_answer import inspected
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.protocol import ProviderSide
from gateway.formats.reader import Reader
from gateway.formats.registry import CLIENTS, PROVIDERS
from gateway.formats.sse import MAX_EVENT_BYTES
from gateway.tool_use import AnswerEnd, AnswerOutput
from policies.behaviours.behaviours import LONGEST_JSON
from tests.gateway.formats.contract import JOINED, STREAMS, Joined, followed

CHAT = PROVIDERS["openai"]
LONG = {"prompt_tokens": 9, "completion_tokens": 40}


def follow(side: ProviderSide, stream: bytes) -> AnswerEnd:
    """Read a stream in the neutral way."""
    reader = Reader(side.parser(), None, side.facts.framer())
    reader.feed(stream)
    reader.end()
    return reader.answer_end


@pytest.mark.parametrize(("joined", "name"), STREAMS)
def test_a_streams_calls_come_with_their_arguments(joined: Joined, name: str) -> None:
    """In every format, each with those of its own; a recorded answer is never empty."""
    end = follow(joined.provider, joined.stream(name))
    assert not end.is_empty and (end.output is not None) is bool(end.tools)
    if end.output:
        assert [type(json.loads(each or "{}")) for each in end.output.arguments] == [dict] * len(end.tools)


@pytest.mark.parametrize(("joined", "name"), STREAMS)
def test_what_cannot_be_cut_takes_nothing_along(joined: Joined, name: str) -> None:
    """Events that came in one piece with bytes that are none go on, as if the pieces had been two."""
    whole, junk = joined.stream(name), b"x" * (MAX_EVENT_BYTES + 1)
    begun = whole[: len(whole) // 2]
    once, twice = (Reader(joined.provider.parser(), None, joined.provider.facts.framer()) for _ in range(2))
    assert once.feed(begun + junk) == twice.feed(begun) + twice.feed(junk) != b""
    assert once.failure is not None and twice.failure is not None
    assert (once.failure.kind, once.failure.message) == (twice.failure.kind, twice.failure.message)


@pytest.mark.parametrize(
    "name", ["text.sse", "tools.sse", "refusal.sse", "openrouter.sse", "google.sse", "deepseek.sse"]
)
def test_the_short_way_tells_the_same(name: str) -> None:
    """Chat completions to chat completions, however the stream is cut."""
    (chat,) = (joined for joined in JOINED if joined.name == "openai")
    stream = chat.stream(name)
    ends = []
    for size in (len(stream), 100, 7):
        reader = StreamReader(True)
        for start in range(0, len(stream), size):
            reader.feed(stream[start : start + size])
        reader.end()
        ends.append(reader.answer_end)
    assert ends[0] == ends[1] == ends[2] and not ends[0].is_empty
    assert ends[0].output == follow(CHAT, stream).output


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "choices": [choice], **more}, separators=(",", ":")).encode() + b"\n\n"


FIRST, LAST, DONE = chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("parts", "is_empty"),
    [
        ((FIRST, LAST, DONE), True),
        ((FIRST, chunk({"content": ""}), LAST, DONE), True),
        ((FIRST, chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 1}), DONE), True),
        ((FIRST, chunk({"content": "a"}), LAST, DONE), False),
        ((chunk({"role": "assistant", "content": "a"}, "stop"), DONE), False),
        ((chunk({"content": [{"type": "text", "text": "a"}]}), LAST, DONE), False),
        ((FIRST, chunk({"refusal": "no"}), LAST, DONE), False),
        ((FIRST, chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}), LAST, DONE), False),
        ((FIRST, chunk({"audio": {"data": "x"}}), chunk({}, "stop", usage=LONG), DONE), False),
        ((FIRST, DONE), False),
        ((FIRST, *[chunk({"content": ""})] * 3, *[chunk({"content": "a"})] * 3, LAST, DONE), False),
        ((FIRST, *[chunk({"content": "", "reasoning_content": "hm"})] * 2, chunk({"content": "a"}), LAST, DONE), False),
    ],
)
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_chat_stream_without_anything_is_empty(parts: tuple[bytes, ...], is_empty: bool, is_cut: bool) -> None:
    """Part by part or at once; what took more tokens than nothing does held something else."""
    reader = StreamReader(True)
    for piece in parts if is_cut else (b"".join(parts),):
        reader.feed(piece)
    reader.end()
    assert reader.answer_end.is_empty is is_empty


def test_a_last_event_that_no_blank_line_closes_is_read_too() -> None:
    """Some servers send one event and no end."""
    reader = StreamReader(True)
    reader.feed(chunk({"content": "a"}, "stop").rstrip())
    reader.end()
    assert not reader.answer_end.is_empty and reader.failure is None


@pytest.mark.parametrize(
    ("message", "is_empty"),
    [
        ({"content": ""}, True),
        ({"content": None, "refusal": None, "tool_calls": None, "annotations": []}, True),
        ({"content": None, "reasoning_content": "hm"}, True),
        ({"content": "a"}, False),
        ({"content": None, "refusal": "no"}, False),
        ({"content": None, "audio": {"id": "a"}}, False),
        ({"content": "", "tool_calls": [{"function": {"name": "f"}}]}, False),
    ],
)
def test_a_whole_chat_completion_without_anything_is_empty(message: dict[str, Any], is_empty: bool) -> None:
    """Thoughts alone are no answer."""
    answer = {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": "stop"}]}
    assert inspected(answer, b"").end.is_empty is is_empty


@pytest.mark.parametrize(("arguments", "kept"), [('{"a": 1}', '{"a": 1}'), (None, ""), ({"a": 1}, "no text")])
def test_a_whole_chat_completions_calls_come_with_their_arguments(arguments: Any, kept: str) -> None:
    """Those of all choices; what is no text is no JSON text either."""
    call = {"id": "1", "function": {"name": "f", "arguments": arguments}}
    choices = [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}] * 2
    output = inspected({"choices": choices}, b"").end.output
    assert output is not None and output.arguments == (kept, kept)


def test_a_second_call_under_the_number_of_the_first_keeps_its_own_arguments() -> None:
    """Some servers give every call the same number."""
    calls = [{"index": 0, "id": name, "function": {"name": name, "arguments": f'{{"n": "{name}"}}'}} for name in "ab"]
    reader = StreamReader(True)
    for call in calls:
        reader.feed(chunk({"tool_calls": [call]}))
    reader.feed(LAST + DONE)
    output = reader.answer_end.output
    assert output is not None and output.arguments == ('{"n": "a"}', '{"n": "b"}')


def test_every_client_format_says_where_its_conversation_is() -> None:
    """Without it nobody could read what a request offers."""
    assert all(side.facts.conversation.message(".") for side in CLIENTS.values())


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_the_text_of_a_chat_stream_is_kept_where_json_was_asked_for(size: int) -> None:
    """However it is cut, and up to a bound."""
    stream = b"".join([FIRST, *(chunk({"content": piece}) for piece in ('{"a": ', "1", "}")), LAST, DONE])
    reader = KeepingReader(True)
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
    assert reader.end() == b"" and reader.answer_end.output == AnswerOutput((), '{"a": 1}')
    reader = KeepingReader(True)
    for _ in range(MOST_KEPT // 1000):
        reader.feed(chunk({"content": "x" * 1000}))
    assert reader.answer_end.output is None


@pytest.mark.parametrize("joined", JOINED)
def test_the_text_of_any_stream_is_kept_where_json_was_asked_for(joined: Joined) -> None:
    """As its events say it."""
    stream = joined.stream(joined.streams[0])
    reader = Reader(joined.provider.parser(), None, joined.provider.facts.framer(), keeps_text=True)
    reader.feed(stream)
    output, events = reader.answer_end.output, followed(joined.provider, stream)
    assert output is not None and output.text == "".join(each.text for each in events if isinstance(each, TextDelta))


ODD: list[Any] = [None, 7, "format", [], {}]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", CLIENTS)
def test_whether_json_is_asked_for_can_be_said_of_any_request(name: str, value: Any) -> None:
    """Whatever stands where a client's wish should be."""
    members = ("text", "output_config", "generationConfig", "generation_config")
    assert CLIENTS[name].facts.asks_json(dict.fromkeys(members, value)) is False


def test_a_text_that_is_too_long_is_not_kept() -> None:
    """Nor is it examined."""
    reader = Reader(CHAT.parser(), None, CHAT.facts.framer(), keeps_text=True)
    for _ in range(3):
        reader.feed(chunk({"content": "x" * (LONGEST_JSON // 2)}))
    assert reader.answer_end.output is None
