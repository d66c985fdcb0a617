"""A stream of Converse in no format."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.bedrock.provider_stream import ConverseParser
from tests.gateway.formats.bedrock.wire import event, events, exception, message, recorded
from tests.gateway.formats.prompts import VALUES

USAGE = Usage(22, 8, 20, cache_written=4)


def test_text() -> None:
    """The end waits for the usage, whose input includes what was cached."""
    assert events(recorded("text.jsonl")) == [
        Begin(), TextDelta("Grüße"), TextDelta(" 🐤\u2028!"), End("stop", USAGE),
    ]  # fmt: skip


def test_thoughts_and_parallel_calls() -> None:
    """A signature closes a thought; calls are numbered as they begin."""
    assert events(recorded("tools.jsonl"))[1:] == [
        ReasoningDelta("Look "),
        ReasoningDelta("it up."),
        ReasoningDelta(signature="EqQB", signed_by="bedrock"),
        ReasoningDelta(encrypted="EmQ=", signed_by="bedrock"),
        ToolBegin(0, "tooluse_a", "get_weather"),
        ToolDelta(0, '{"city":'),
        ToolDelta(0, '"Oslo"}'),
        ToolBegin(1, "tooluse_b", "now"),
        End("tool_calls", USAGE),
    ]


def test_a_schema_that_a_function_stands_in_for() -> None:
    """Its input is the text of the answer, which came to its end."""
    assert events(recorded("schema.jsonl"))[1:] == [TextDelta('{"a"'), TextDelta(":1}"), End("stop", USAGE, "END")]


def test_where_an_answer_ends() -> None:
    """Without its usage it is whole once the message stopped; before that it is not."""
    start, stop = event("messageStart", b"{}"), event("messageStop", b'{"stopReason":"max_tokens"}')
    assert events(start) == [Begin()]
    assert events(start, stop) == [Begin(), End("length")]
    assert events(start, event("metadata", b'{"usage":{"inputTokens":1}}'), stop)[-1] == End("length", Usage(1))
    assert events(start, stop, event("metadata", b"{}"), start) == [Begin(), End("length")]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("throttlingException", 429), ("validationException", 400), ("serviceUnavailableException", 503),
     ("internalServerException", 502), ("modelStreamErrorException", 502)],
)  # fmt: skip
def test_exceptions(kind: str, status: int) -> None:
    """An exception inside a stream has the status that it would have had as an answer, where that says something."""
    with pytest.raises(ProviderError) as caught:
        events(exception(kind, b'{"message":"no"}'))
    error = caught.value
    assert (error.kind, error.message, error.status, error.upstream_status) == ("error_in_answer", "no", status, 200)


def test_an_error_without_words() -> None:
    """Something is said of it all the same."""
    for stream in (exception("newException", b"<html>"), message({":message-type": "error"}, b"")):
        with pytest.raises(ProviderError) as caught:
            events(stream)
        assert caught.value.message.startswith("the provider's stream ended with ")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("contentBlockStart", {"start": {"toolUse": {"name": "f"}}}),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": "{"}}}),
        ("messageStop", {"stopReason": "malformed_tool_use"}),
    ],
)
def test_what_converse_does_not_promise(kind: str, payload: Any) -> None:
    """A call without an id, one that has not begun, and output that nobody could read."""
    with pytest.raises(ProviderError) as caught:
        events(event(kind, json.dumps(payload).encode()))
    assert caught.value.kind == "malformed"


@given(VALUES, VALUES)
def test_hostile_streams(one: Any, two: Any) -> None:
    """Whatever a provider sends is events or a ProviderError."""
    parser = ConverseParser()
    kinds = (
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
        "?",
    )
    members = {"start": {"toolUse": one}, "delta": {"text": one, "toolUse": two, "reasoningContent": one},
               "contentBlockIndex": two, "stopReason": one, "usage": two}  # fmt: skip
    for kind in kinds:
        for payload in (one, members, {"delta": one, "start": two}, {"usage": {"inputTokens": one}}):
            try:
                parser.take(kind, json.dumps(payload).encode())
            except ProviderError:
                parser = ConverseParser()
    parser.end()
