"""A whole chat completion, both ways."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Reply
from gateway.formats.openai_chat.client import CLIENT
from gateway.formats.openai_chat.provider import PROVIDER
from gateway.formats.prompt import Media, Message, Prompt, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from tests.gateway.formats.openai_chat.streams import recorded
from tests.gateway.formats.prompts import VALUES

USAGE = Usage(19, 8, 10, 4)
LIKELY = [
    {
        "token": "Hello!",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [{"token": "Hi", "logprob": -1.5, "bytes": [72, 105]}],
    }
]
ENVELOPE = Envelope("call1", "gpt-4o", 1700000000, Prompt((Message("user", (Text("hi"),)),)))


def read(message: dict[str, Any], finish: Any = "stop", **more: Any) -> Reply:
    answer = {"id": "r/1", "choices": [{"message": message, "finish_reason": finish}], **more}
    return PROVIDER.reply(json.dumps(answer).encode())


def write(*parts: Any, **more: Any) -> Any:
    return json.loads(CLIENT.reply(Reply(parts, **more), ENVELOPE))


def test_text() -> None:
    """An answer in words, with its logprobs and its usage."""
    expected = Reply((Text("Hello!", logprobs=LIKELY),), "stop", USAGE, "chatcmpl-B9M", "gpt-4o-2024-08-06")
    assert PROVIDER.reply(recorded("answer.json")) == expected


def test_tool_calls_and_signed_thoughts() -> None:
    """Calls keep their ids; thoughts that are signed or encrypted keep who can read them."""
    reply = PROVIDER.reply(recorded("answer_tools.json"))
    assert (reply.parts, reply.stop) == (
        (
            Reasoning("Look it up.", "EqQB", signed_by="anthropic"),
            Reasoning(encrypted="EmQ=", signed_by="anthropic"),
            ToolCall("toolu_1", "get_weather", '{"city":"Oslo"}'),
            ToolCall("toolu_2", "get_weather", '{"city":"Rome"}'),
        ),
        "tool_calls",
    )


@pytest.mark.parametrize(
    ("message", "parts", "stop"),
    [
        ({"content": None, "refusal": "No."}, (Refusal("No."),), "refusal"),
        ({"content": [{"type": "thinking"}, {"type": "text", "text": "a"}]}, (Text("a"),), "stop"),
        ({"content": "a", "reasoning_content": "Hm."}, (Reasoning("Hm."), Text("a")), "stop"),
        (
            {"tool_calls": [{"id": None, "function": {"name": "f", "arguments": {"a": 1}}}]},
            (ToolCall("call_r1_0", "f", '{"a":1}'),),
            "tool_calls",
        ),
        (
            {"images": [{"image_url": {"url": "data:image/png;base64,AA=="}}, {"image_url": {"url": "https://x/"}}]},
            (Media("image", "image/png", "AA=="), Media("image", url="https://x/")),
            "stop",
        ),
    ],
)
def test_dialects(message: dict[str, Any], parts: Any, stop: str) -> None:
    """What providers of this format say in ways of their own."""
    reply = read(message)
    assert (reply.parts, reply.stop) == (parts, stop)


def test_malformed_calls() -> None:
    """A call without a name is no call; arguments nested without end are none."""
    nested: Any = {}
    for _ in range(900):
        nested = {"a": nested}
    for function in ({"arguments": "{}"}, {"name": 7}, None):
        with pytest.raises(ProviderError) as caught:
            read({"tool_calls": [{"id": "a", "function": function}]})
        assert caught.value.kind == "malformed"
    assert read({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": []}}]}).parts


@given(VALUES, VALUES, VALUES)
def test_hostile_answers(one: Any, two: Any, three: Any) -> None:
    """Whatever a provider sends is a reply or a ProviderError."""
    names = ("content", "refusal", "tool_calls", "reasoning_details", "reasoning", "images")
    message = dict.fromkeys(names, one) | {"tool_calls": [{"id": one, "function": {"name": "f", "arguments": two}}]}
    choices = [{"message": message, "finish_reason": two, "logprobs": {"content": [one, {"token": "a", **{}}]}}]
    for value in (one, {"choices": two}, {"choices": choices, "usage": three, "id": one, "model": two}, {"error": one}):
        try:
            CLIENT.reply(PROVIDER.reply(json.dumps(value).encode()), ENVELOPE)
        except ProviderError:
            continue


def test_written_answer() -> None:
    """Exactly what OpenAI's own answers have, and no more."""
    assert write(Text("Hello!", logprobs=LIKELY), usage=USAGE) == {
        "id": "chatcmpl-call1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!", "refusal": None},
                "logprobs": {"content": LIKELY, "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    }


def test_written_message() -> None:
    """Thoughts, calls and images have their places; content is null where only functions are called."""
    parts = (Reasoning("Hm.", "S", signed_by="bedrock"), ToolCall("a", "f", "", "Cs", "gemini"),
             Media("image", "image/png", "AA=="), Media("audio", "audio/wav", "UklG"))  # fmt: skip
    choice = write(*parts, stop="tool_calls")["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "Hm.",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Hm.", "signature": "S", "id": None,
             "format": "amazon-bedrock-v1", "index": 0}
        ],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
        "audio": {"id": "audio_call1", "data": "UklG", "expires_at": 1700000000, "transcript": ""},
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
             "extra_content": {"google": {"thought_signature": "Cs"}}}
        ],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["answer.json", "answer_tools.json"])
def test_written_answers_read_the_same(name: str) -> None:
    """What is written for a client says what the provider said."""
    reply = PROVIDER.reply(recorded(name))
    again = PROVIDER.reply(CLIENT.reply(reply, ENVELOPE))
    assert (again.parts, again.stop, again.usage) == (reply.parts, reply.stop, reply.usage)


def test_errors() -> None:
    """An error wears OpenAI's shape, whole and inside a stream."""
    error = ProviderError("truncated", "secret host")
    body = CLIENT.error(error, "call1")
    assert json.loads(body) == {
        "error": {"message": "the provider's answer ended early", "type": "upstream_error", "param": None,
                  "code": "upstream_truncated",
                  "serinus": {"failed_by": "provider", "call_id": "call1", "look_up": "/calls/call1"}}
    }  # fmt: skip
    assert CLIENT.error_event(error, "call1") == b"data: " + body + b"\n\n"


def test_arguments_nested_too_deeply() -> None:
    """Arguments that come as an object become text; those that no encoder gets through are an error."""
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    body = '{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":' + deep + "}}]}}]}"
    with pytest.raises(ProviderError) as caught:
        PROVIDER.reply(body.encode())
    assert caught.value.kind == "malformed"


def test_the_two_sides() -> None:
    """What they say beside requests and answers: where calls go, what opens a conversation, what an error was."""
    assert PROVIDER.path("m", True) == "/chat/completions"
    assert CLIENT.opening({"messages": [{"role": "system"}, {"role": "user", "content": "a"}]}) == "a"
    assert CLIENT.opening({"messages": [{"role": "user", "content": [{"a": 1}]}]}) == '[{"a":1}]'
    assert CLIENT.opening({"messages": [7]}) == CLIENT.opening({}) == ""
    assert PROVIDER.error(429, [], b'{"error":{"message":"slow"}}').message == "slow"
