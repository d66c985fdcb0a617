"""A provider's stream of the Messages API, followed event by event."""

import json
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.framing import SseFramer
from gateway.formats.reader import Reader
from tests.gateway.formats.anthropic.recordings import STREAMS, events_of, recorded, stream_of

START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}}
DONE = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
STOP = {"type": "message_stop"}


def block(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": members}


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def said(*events: dict[str, Any]) -> list[Event]:
    """What these events say between the beginning and the end."""
    begin, *between, _ = events_of(stream_of(START, *events, DONE, STOP))
    assert begin == Begin("msg_1", "m", Usage(3))
    return between


def test_a_text_streams() -> None:
    """Deltas come one by one; the input that caches served counts as input, and the usage comes with the end."""
    begin, *deltas, end = events_of(recorded("text.sse"))
    assert begin == Begin("msg_01Hx", "claude-sonnet-4-5-20250929", Usage(132, 100, 1, cache_written=7))
    assert deltas == [TextDelta("Grüezi"), TextDelta(" 🐤")]
    assert end == End("stop", Usage(132, 100, 15, cache_written=7))


def test_thoughts_and_parallel_calls_stream() -> None:
    """A thought's signature closes it, a sealed thought comes whole, and a call without arguments has an object."""
    _, *events, end = events_of(recorded("tools.sse"))
    assert events == [
        ReasoningDelta("Two cities, ", signed_by="anthropic"),
        ReasoningDelta("two calls.", signed_by="anthropic"),
        ReasoningDelta(signature="EqQBCgIYAhIM", signed_by="anthropic"),
        ReasoningDelta(encrypted="EmwKAhgBEgy3", signed_by="anthropic"),
        ToolBegin(0, "toolu_01T1", "get_weather"),
        ToolDelta(0, '{"city":'),
        ToolDelta(0, ' "Zürich"}'),
        ToolBegin(1, "toolu_01T2", "now"),
        ToolDelta(1, "{}"),
    ]
    assert end == End("tool_calls", Usage(40, 0, 89, 30))


def test_a_refusal_says_why() -> None:
    """A model that declines without a word has said why in the stop's details."""
    _, *events, end = events_of(recorded("refusal.sse"))
    assert events == [RefusalDelta("This could help to break into systems.")]
    assert end == End("refusal", Usage(9, 0, 1))


@pytest.mark.parametrize("name", STREAMS)
def test_between_two_sides_of_this_format_bytes_go_through(name: str) -> None:
    """Every byte goes on, pings too; the reader only watches."""
    reader = Reader(PROVIDER.parser(), None, SseFramer())
    stream = recorded(name)
    relayed = b"".join(reader.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)) + reader.end()
    assert (relayed, reader.done, reader.failure) == (stream, True, None)


def test_an_error_event_has_the_status_of_its_type() -> None:
    """An overload in mid-stream is told as 529, and shows what the provider said."""
    with pytest.raises(ProviderError, match="Overloaded") as caught:
        events_of(recorded("overloaded.sse"))
    assert (caught.value.kind, caught.value.upstream_status, caught.value.status) == ("error_in_answer", 200, 529)
    assert json.loads(caught.value.body or b"")["error"]["type"] == "overloaded_error"


def test_a_stream_without_its_last_event_is_whole() -> None:
    """Why the answer stopped and what it used was said: message_stop adds nothing."""
    assert events_of(stream_of(START, DONE))[-1] == End("stop", Usage(3, 0, 4))


def test_a_stream_that_breaks_off_has_no_end() -> None:
    """Without a reason to stop the reader must report a truncated answer."""
    events = events_of(stream_of(START, block(0, type="text", text="Hel")))
    assert events == [Begin("msg_1", "m", Usage(3)), TextDelta("Hel")]


def test_the_forced_function_is_told_as_text() -> None:
    """Where a schema was emulated, the input of the function is the answer, and the model has simply stopped."""
    stream = stream_of(
        START,
        block(0, type="tool_use", id="toolu_1", name=OUTPUT_TOOL, input={}),
        delta(0, type="input_json_delta", partial_json='{"a":1}'),
        {"type": "content_block_stop", "index": 0},
        {**DONE, "delta": {"stop_reason": "tool_use"}},
        STOP,
    )
    _, *events, end = events_of(stream)
    assert (events, end) == ([TextDelta('{"a":1}')], End("stop", Usage(3, 0, 4)))


def test_arguments_that_come_at_once_are_told() -> None:
    """Some servers put the whole input into the block's start."""
    start = block(0, type="tool_use", id="toolu_1", name="f", input={"a": 1})
    stop = {"type": "content_block_stop", "index": 0}
    assert said(start, stop) == [ToolBegin(0, "toolu_1", "f"), ToolDelta(0, '{"a":1}')]


def test_what_is_not_known_says_nothing() -> None:
    """New events, blocks and deltas are announced by Anthropic to come; tools of the provider are its own business."""
    tool = block(0, type="server_tool_use", id="srvtoolu_1", name="web_search", input={})
    arguments = delta(0, type="input_json_delta", partial_json='{"query"')
    assert said({"type": "news"}, tool, arguments, delta(1, type="citations_delta", citation={})) == []


@pytest.mark.parametrize(
    "event",
    [
        delta(0, type="text_delta", text=None),
        {"type": "content_block_delta", "index": 0, "delta": "x"},
        {"type": "content_block_stop", "index": True},
        block(0, type="tool_use", id=7, name="f"),
        STOP,
    ],
)
def test_what_breaks_the_format_is_malformed(event: dict[str, Any]) -> None:
    """A provider that does not keep its promises is told so, and nothing else is raised."""
    with pytest.raises(ProviderError) as caught:
        events_of(stream_of(START, event))
    assert caught.value.kind == "malformed"


def test_a_stream_may_begin_in_the_middle() -> None:
    """A server that leaves message_start out is understood."""
    assert events_of(stream_of(delta(0, type="text_delta", text="x"), DONE, STOP))[:2] == [Begin(), TextDelta("x")]
