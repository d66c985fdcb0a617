import json
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.framing import SseFramer
from gateway.formats.openai_responses.provider import PROVIDER
from gateway.formats.reader import Reader
from tests.gateway.formats.openai_responses.recordings import STREAMS, events_of, recorded

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m"}}
COMPLETED = {"type": "response.completed", "response": {"status": "completed", "output": []}}


def said(*events: dict[str, Any]) -> list[Event]:
    """What these events say between the beginning and the end."""
    stream = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in (CREATED, *events, COMPLETED))
    begin, *between, _ = events_of(stream)
    assert begin == Begin("resp_1", "m")
    return between


def test_a_text_streams() -> None:
    """Deltas come one by one, and the usage with the end."""
    begin, *deltas, end = events_of(recorded("text.sse"))
    assert begin == Begin("resp_67cb71b351908190a308f3859487620d06981a8637e6bc44", "gpt-4o-2024-08-06")
    assert deltas == [TextDelta("Hel"), TextDelta("lo"), TextDelta(" 🐤")]
    assert end == End("stop", Usage(37, 5, 11))


def test_reasoning_and_calls_stream() -> None:
    """Paragraphs of a summary, what closes it, and the arguments of each call in pieces."""
    _, *events, end = events_of(recorded("tools.sse"))
    thoughts = [event for event in events if isinstance(event, ReasoningDelta)]
    assert "".join(event.text for event in thoughts) == "**Weather**\n\nThey ask for two cities.\n\nCall twice."
    assert (thoughts[-1].encrypted, thoughts[-1].signed_by) == ("gAAAAABofA==", "openai-responses")
    begun = [event for event in events if isinstance(event, ToolBegin)]
    assert begun == [
        ToolBegin(0, "call_unLAR8MvFNptuiZK6K6HCy5k", "get_weather"),
        ToolBegin(1, "call_GLhWBuKdzMNL6wOpc0RWXQTQ", "get_weather"),
    ]
    arguments = ["".join(e.arguments for e in events if isinstance(e, ToolDelta) and e.index == n) for n in (0, 1)]
    assert arguments == ['{"city":"Paris"}', '{"city":"Zürich"}']
    assert end == End("tool_calls", Usage(91, 64, 60, 32))


def test_refusals_and_limits_stream() -> None:
    """A refusal's words are its own kind of delta; a limit ends the stream well."""
    _, *deltas, end = events_of(recorded("refusal.sse"))
    assert (deltas, end) == (
        [RefusalDelta("I'm sorry, "), RefusalDelta("I cannot help with that.")],
        End("refusal", Usage(81, 0, 11)),
    )
    assert events_of(recorded("incomplete.sse"))[-1] == End("length", Usage(12, 0, 16))


@pytest.mark.parametrize("name", STREAMS)
def test_between_two_sides_of_this_format_bytes_go_through(name: str) -> None:
    """Every byte and every sequence number; the reader only watches."""
    reader = Reader(PROVIDER.parser(), None, SseFramer())
    stream = recorded(name)
    assert reader.feed(stream) + reader.end() == stream
    assert (reader.failure, reader.done) == (None, True)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_stops_early_is_truncated(name: str) -> None:
    """Whatever came before: without the event that ends the answer it is not whole."""
    reader = Reader(PROVIDER.parser(), None, SseFramer())
    stream = recorded(name)
    reader.feed(stream[: stream.rindex(b"event: ")])
    reader.end()
    assert reader.failure is not None
    assert reader.failure.kind == "truncated"


@pytest.mark.parametrize(("name", "status"), [("failed.sse", 500), ("error.sse", 429)])
def test_an_error_inside_a_stream_is_the_providers(name: str, status: int) -> None:
    """As a failed response, or as an error event in the way that OpenAI sends it."""
    with pytest.raises(ProviderError) as error:
        events_of(recorded(name))
    assert (error.value.kind, error.value.status) == ("error_in_answer", status)


def test_an_error_event_is_read_as_documented_too() -> None:
    """Flat, with the message at the top."""
    with pytest.raises(ProviderError, match="Slow down"):
        said({"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None})


def test_what_no_delta_said_is_taken_from_the_done_events() -> None:
    """Some servers send no deltas, or break off with them."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    message = {
        "type": "message",
        "content": [{"type": "output_text", "text": "Hello"}, {"type": "refusal", "refusal": "R"}],
    }
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "T"}]}
    assert said(
        {"type": "response.output_item.done", "output_index": 0, "item": thought},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "He"},
        {"type": "response.output_item.done", "output_index": 1, "item": message},
        {"type": "response.output_item.added", "output_index": 2, "item": call},
        {"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{}"},
        {"type": "response.output_item.done", "output_index": 3, "item": {**call, "arguments": "[]"}},
    ) == [
        ReasoningDelta("T"),
        TextDelta("He"),
        TextDelta("llo"),
        RefusalDelta("R"),
        ToolBegin(0, "c", "f"),
        ToolDelta(0, "{}"),
        ToolBegin(1, "c", "f"),
        ToolDelta(1, "[]"),
    ]


def test_an_answer_that_only_its_end_holds_is_read_from_there() -> None:
    """A server may stream nothing but the whole response."""
    response = json.loads(recorded("answer_tools.json"))
    stream = b"event: response.completed\ndata: %s\n\n" % json.dumps({"response": response}).encode()
    begin, thought, *calls, end = events_of(stream)
    assert isinstance(begin, Begin)
    assert isinstance(thought, ReasoningDelta)
    assert [call for call in calls if isinstance(call, ToolDelta)] == [
        ToolDelta(0, '{"city":"Paris"}'),
        ToolDelta(1, '{"city":"Zürich"}'),
    ]
    assert end == End("tool_calls", Usage(91, 64, 60, 32))


def test_open_models_think_aloud() -> None:
    """Servers of open models stream the reasoning itself; log probabilities come with the words."""
    token = {"token": "a", "logprob": -0.1}
    assert said(
        {"type": "response.reasoning_text.delta", "output_index": 0, "item_id": "rs_1", "delta": "T"},
        {"type": "response.web_search_call.searching", "output_index": 1},
        {"type": "response.output_text.delta", "output_index": 2, "delta": "a", "logprobs": [token]},
    ) == [ReasoningDelta("T", id="rs_1"), TextDelta("a", [token])]


def test_nothing_comes_after_the_end() -> None:
    """What follows what ended the answer says nothing."""
    parser = PROVIDER.parser()
    parser.take("", json.dumps(COMPLETED).encode())
    assert list(parser.take("", json.dumps(CREATED).encode())) == []
    assert list(parser.take("", b"[DONE]")) == []


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'{"type":"response.function_call_arguments.delta","delta":"x"}', b'{"type":"response.failed"}'],
)
def test_what_the_format_does_not_promise_is_the_providers_error(data: bytes) -> None:
    """Half an object, a list, arguments of no call, a failure without a word."""
    with pytest.raises(ProviderError):
        PROVIDER.parser().take("", data)
