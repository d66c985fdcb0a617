"""A stream of chat completions in no format: a provider's parsed, a client's written."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.openai_chat.client import CLIENT
from gateway.formats.openai_chat.provider_stream import ChatParser
from gateway.formats.prompt import Message, Prompt, Text
from gateway.formats.protocol import Envelope
from tests.gateway.formats.openai_chat.streams import chunk, events, recorded, written
from tests.gateway.formats.prompts import VALUES

STREAMS = ("text.sse", "tools.sse", "refusal.sse", "openrouter.sse", "google.sse", "deepseek.sse")
USAGE = Usage(19, 8, 10, 4)
GPT = Begin("chatcmpl-B9", "gpt-4o-2024-08-06")
LIKELY = [{"token": "Grüße", "logprob": -0.25, "bytes": list("Grüße".encode()), "top_logprobs": []}]


def envelope(wants_usage: bool = False) -> Envelope:
    prompt = Prompt((Message("user", (Text("hi"),)),), stream=True, wants_usage=wants_usage)
    return Envelope("call1", "gpt-4o", 1700000000, prompt)


def write(*said: Event, wants_usage: bool = False) -> bytes:
    writer = CLIENT.writer(envelope(wants_usage))
    return b"".join(writer.write(event) for event in said)


def test_text() -> None:
    """Text with its logprobs; the end waits for the usage behind it."""
    assert events(recorded("text.sse")) == [
        GPT, TextDelta("Grüße", LIKELY), TextDelta(" 🐤\u2028!"), End("stop", USAGE),
    ]  # fmt: skip


def test_parallel_tool_calls() -> None:
    """Each call begins once, with its id and name, and its arguments come in pieces."""
    assert events(recorded("tools.sse")) == [
        GPT,
        ToolBegin(0, "call_a", "get_weather"),
        ToolDelta(0, '{"city":'),
        ToolDelta(0, '"Oslo"}'),
        ToolBegin(1, "call_b", "get_weather"),
        ToolDelta(1, '{"city":"Rome"}'),
        End("tool_calls", USAGE),
    ]


def test_refusal() -> None:
    """A refusal in words is a refusal, though it ends like any answer."""
    assert events(recorded("refusal.sse"))[1:] == [RefusalDelta("I'm sorry,"), RefusalDelta(" no."), End("refusal")]


def test_openrouter() -> None:
    """Thoughts come once, though in two members; the signature closes them; the usage may come with an empty choice."""
    assert events(recorded("openrouter.sse"))[1:] == [
        ReasoningDelta("Let me "),
        ReasoningDelta("think."),
        ReasoningDelta(signature="EqQB", signed_by="anthropic"),
        TextDelta("Four."),
        End("stop", Usage(5, 0, 6)),
    ]


def test_google() -> None:
    """Two calls under one index are two; a signature goes with its call; `stop` behind calls means calls."""
    assert events(recorded("google.sse"))[1:] == [
        ToolBegin(0, "one", "f", "Cs", "gemini"),
        ToolDelta(0, '{"a":1}'),
        ToolBegin(1, "two", "f"),
        ToolDelta(1, '{"a":2}'),
        End("tool_calls", Usage(1, 0, 2)),
    ]


def test_deepseek() -> None:
    """`reasoning_content` is thought, and null members say nothing."""
    assert events(recorded("deepseek.sse"))[1:] == [
        ReasoningDelta("Hm"), ReasoningDelta("m."), TextDelta("Yes."), End("length", Usage(3, 0, 4)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "ends"),
    [
        (chunk({"content": "a"}), False),
        (chunk({"content": "a"}) + b"data: [DONE]\n\n", True),
        (chunk({"content": "a"}, finish="stop"), True),
        (chunk({}, finish="stop") + b"data: [DONE]\n\n" + chunk({"content": "late"}), True),
        (b"data: [DONE]\n\n", False),
        (b"data: 7\n\n: comment\n\n", False),
    ],
)
def test_where_an_answer_ends(stream: bytes, ends: bool) -> None:
    """With a finish reason, or with the end marker behind an answer; nothing follows the end."""
    found = events(stream)
    assert [isinstance(event, End) for event in found if isinstance(event, End)] == [True] * ends
    assert not ends or isinstance(found[-1], End)


def test_ids_that_providers_leave_out() -> None:
    """A call without an id gets one from the answer's, and a piece without an index goes on with the latest call."""
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"index": 1, "function": {"name": "g"}}]
    more = [{"id": "", "function": {"arguments": "{}"}}]
    assert events(chunk({"tool_calls": calls}), chunk({"tool_calls": more}))[1:] == [
        ToolBegin(0, "call_r1_0", "f"), ToolDelta(0, '{"a":1}'), ToolBegin(1, "call_r1_1", "g"), ToolDelta(1, "{}"),
    ]  # fmt: skip


def test_a_call_without_a_name() -> None:
    """It is not what the format promises."""
    with pytest.raises(ProviderError) as caught:
        events(chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": "{}"}}]}, finish="stop"))
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    "event",
    [b'data: {"error":{"message":"overloaded"}}\n\n', b'event: error\ndata: {"message":"overloaded"}\n\n'],
)
def test_errors_inside_a_stream(event: bytes) -> None:
    """An error object, or an event of that name, ends the stream."""
    with pytest.raises(ProviderError) as caught:
        events(event)
    error = caught.value
    assert (error.kind, error.message, error.upstream_status) == ("error_in_answer", "overloaded", 200)


@given(VALUES, VALUES, VALUES)
def test_hostile_streams(one: Any, two: Any, three: Any) -> None:
    """Whatever a provider sends is events or a ProviderError."""
    names = ("content", "tool_calls", "reasoning_details", "refusal", "reasoning", "reasoning_content")
    delta = dict.fromkeys(names, one) | {"tool_calls": [two, {"index": one, "id": two, "function": three}]}
    parser = ChatParser()
    for value in ({"choices": [{"delta": delta, "index": 0, "logprobs": {"content": [three, two]}}]}, one,
                  {"choices": two, "usage": one, "id": three}, {"choices": [{"delta": two, "finish_reason": one}]},
                  {"usage": {"prompt_tokens": one}, "error": three}):  # fmt: skip
        try:
            parser.take("", json.dumps(value).encode())
        except ProviderError:
            parser = ChatParser()
    with suppress(ProviderError):
        parser.end()


def test_written_stream() -> None:
    """The role first, then every piece as it comes, then why it ended, then the end marker; no usage unasked."""
    out = write(Begin("x"), TextDelta("Hi", LIKELY), RefusalDelta("No."), End("length", USAGE))
    chunks = written(out)
    shared = {"id": "chatcmpl-call1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o"}
    assert all({**shared, "choices": each["choices"]} == each for each in chunks)
    assert [each["choices"][0] for each in chunks] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None},
        {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": LIKELY, "refusal": None},
         "finish_reason": None},
        {"index": 0, "delta": {"refusal": "No."}, "logprobs": None, "finish_reason": None},
        {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"},
    ]  # fmt: skip
    assert out.endswith(b"}\n\ndata: [DONE]\n\n")


def test_usage_where_it_was_asked_for() -> None:
    """One chunk without choices, behind the end of the answer; the others say null, as OpenAI's do."""
    chunks = written(write(Begin(), End("stop", Usage(10, 3, 5, 2, cache_written=4)), wants_usage=True))
    assert [each["usage"] for each in chunks[:-1]] == [None, None]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == (
        [],
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    )


def test_written_tool_calls() -> None:
    """A call begins with its id and name, a signature beside them; its arguments follow under its index."""
    said = (ToolBegin(0, "a", "f", "Cs", "gemini"), ToolBegin(1, "b", "g", "x", "anthropic"), ToolDelta(0, "{}"))
    assert [each["choices"][0]["delta"]["tool_calls"][0] for each in written(write(*said))] == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
         "extra_content": {"google": {"thought_signature": "Cs"}}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{}"}},
    ]  # fmt: skip


def test_written_thoughts() -> None:
    """Thoughts are text as they come; what closes one repeats it whole, so that a client can send it back."""
    out = write(
        ReasoningDelta("Let "), ReasoningDelta("me."), ReasoningDelta(signature="S", signed_by="anthropic"),
        ReasoningDelta(encrypted="E", signed_by="openai-responses", id="rs_1"), TextDelta("x"), ReasoningDelta(),
    )  # fmt: skip
    assert [each["choices"][0]["delta"] for each in written(out)] == [
        {"reasoning_content": "Let "},
        {"reasoning_content": "me."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Let me.", "signature": "S", "id": None,
                                "format": "anthropic-claude-v1", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "id": "rs_1",
                                "format": "openai-responses-v1", "index": 1}]},
        {"content": "x"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reason"),
    [([RefusalDelta("No."), End("refusal")], "stop"), ([End("refusal")], "content_filter"), ([End("pause")], "length")],
)
def test_written_ends(said: list[Event], reason: str) -> None:
    """A refusal in words is an answer; one without is what a filter stopped; a turn to go on is unfinished."""
    assert written(write(*said))[-1]["choices"][0]["finish_reason"] == reason


DELTAS: st.SearchStrategy[list[Event]] = st.lists(
    st.builds(TextDelta, st.text(min_size=1)) | st.builds(ReasoningDelta, st.text(min_size=1))
    | st.builds(ReasoningDelta, st.just(""), st.text(min_size=1), st.just(""), st.just("anthropic")),
    max_size=6,
)  # fmt: skip


@given(DELTAS, st.booleans())
def test_what_is_written_parses_to_the_same(deltas: list[Event], wants_usage: bool) -> None:
    """A written stream says what it was written from, lone surrogates included."""
    calls: list[Event] = [ToolBegin(0, "a", "f"), ToolDelta(0, "{}")]
    stream: list[Event] = [Begin("x", "m"), *deltas, *calls, End("tool_calls", Usage(3, 1, 2) if wants_usage else None)]
    found = events(write(*stream, wants_usage=wants_usage))
    assert found == [Begin("chatcmpl-call1", "gpt-4o"), *stream[1:]]
