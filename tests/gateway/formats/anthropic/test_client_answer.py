"""Answers, streams and errors as a client of the Messages API gets them."""

import json
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import (
    BodyTooLarge,
    CallerError,
    Forbidden,
    GatewayError,
    NotFound,
    Overloaded,
    ProviderError,
    SerinusError,
    Unauthenticated,
)
from gateway.formats.answer import (
    Begin,
    End,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Stop,
    TextDelta,
    ToolBegin,
    ToolDelta,
)
from gateway.formats.anthropic.client import CLIENT
from gateway.formats.prompt import Media, Part, Reasoning, Refusal, Text, ToolCall
from tests.gateway.formats.anthropic.recordings import ENVELOPE, sent

USAGE = Usage(30, 10, 9, 4, cache_written=5)
WRITTEN_USAGE = {
    "input_tokens": 15,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 10,
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4},
}
NO_USAGE = {
    "input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0,
}  # fmt: skip


def whole(*parts: Part, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(CLIENT.reply(Reply(parts, **fields), ENVELOPE))
    return answer


def stream(*events: Event) -> list[dict[str, Any]]:
    writer = CLIENT.writer(ENVELOPE)
    return sent(b"".join(writer.write(event) for event in events))


def blocks(*events: Event) -> list[tuple[int, str]]:
    """The index and type of each event about a block, between the beginning and the end; pieces of deltas too."""
    said = stream(Begin(), *events, End())[1:-2]
    return [
        (each["index"], (each.get("content_block") or each.get("delta") or {"type": "stop"})["type"]) for each in said
    ]


def test_a_whole_answer() -> None:
    """Literally, as the SDK reads it: ids derive from the call's, and thoughts of others have no signature."""
    assert whole(
        Reasoning("hm", "sig", signed_by="anthropic"),
        Reasoning("hum", "foreign", signed_by="gemini"),
        Reasoning(encrypted="xx", signed_by="anthropic"),
        Reasoning(encrypted="yy", signed_by="openai-responses"),
        Text("Hi"),
        Media("image", mime="image/png", data="aGk="),
        ToolCall("call_1", "f", '{"a":1}'),
        ToolCall("", "g", ""),
        usage=USAGE,
        id="chatcmpl-1",
    ) == {
        "id": "msg_call-1",
        "type": "message",
        "role": "assistant",
        "model": "gpt-4o",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "thinking", "thinking": "hum", "signature": ""},
            {"type": "redacted_thinking", "data": "xx"},
            {"type": "text", "text": "Hi"},
            {"type": "text", "text": "![image](data:image/png;base64,aGk=)"},
            {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_call-1_7", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": WRITTEN_USAGE,
    }


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("refusal", "refusal"),
        ("pause", "pause_turn"),
    ],
)
def test_why_it_stopped(stop: Stop, reason: str) -> None:
    """In this format's words, whole and streamed."""
    assert whole(Text("x"), stop=stop)["stop_reason"] == reason
    assert stream(Begin(), TextDelta("x"), End(stop))[-2]["delta"]["stop_reason"] == reason


def test_stop_sequences_refusals_and_own_ids() -> None:
    """A refusal in words is a refusal; what ended the answer is named; an id of this format is kept."""
    assert whole(Refusal("No."))["stop_reason"] == "refusal"
    ended = whole(Text("x"), stop_sequence="END", id="msg_9")
    assert (ended["stop_reason"], ended["stop_sequence"], ended["id"]) == ("stop_sequence", "END", "msg_9")
    assert stream(RefusalDelta("No."), End())[-2]["delta"]["stop_reason"] == "refusal"


@pytest.mark.parametrize("arguments", ["[1]", "{", "NaN", '"x"'])
def test_arguments_that_are_no_object_are_shown_as_they_are(arguments: str) -> None:
    """The format holds objects only."""
    assert whole(ToolCall("1", "f", arguments))["content"][0]["input"] == {"invalid_json": arguments}


def test_a_stream() -> None:
    """Literally: every event under its own name, blocks one after the other, the usage with the reason to stop."""
    assert stream(
        Begin("msg_9", "m", Usage(30)), TextDelta("Hi"), TextDelta("!"), TextDelta(""), End("stop", USAGE, "END")
    ) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_9",
                "type": "message",
                "role": "assistant",
                "model": "gpt-4o",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {**NO_USAGE, "input_tokens": 30},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": WRITTEN_USAGE,
        },
        {"type": "message_stop"},
    ]


def test_thoughts_stream() -> None:
    """A signature closes a thought; what another provider sealed is left out."""
    assert blocks(
        ReasoningDelta("a", signed_by="anthropic"),
        ReasoningDelta(signature="s", signed_by="anthropic"),
        ReasoningDelta("b", "foreign", signed_by="gemini"),
        ReasoningDelta(encrypted="yy", signed_by="openai-responses"),
        ReasoningDelta(encrypted="xx", signed_by="anthropic"),
    ) == [
        (0, "thinking"), (0, "thinking_delta"), (0, "signature_delta"), (0, "stop"),
        (1, "thinking"), (1, "thinking_delta"), (1, "stop"),
        (2, "redacted_thinking"), (2, "stop"),
    ]  # fmt: skip


def test_calls_stream_one_after_the_other() -> None:
    """As they come, when each has its arguments before the next begins."""
    events = ToolBegin(0, "a", "f"), ToolDelta(0, '{"x":'), ToolDelta(0, "1}"), ToolBegin(1, "", "g")
    said = stream(Begin(), *events, End("tool_calls"))
    started = [each["content_block"] for each in said if each["type"] == "content_block_start"]
    assert [(start["id"], start["name"], start["input"]) for start in started] == [
        ("a", "f", {}), ("toolu_call-1_1", "g", {}),
    ]  # fmt: skip
    assert [each["index"] for each in said if each["type"] == "content_block_stop"] == [0, 1]


def test_interleaved_calls_are_disentangled() -> None:
    """A block that was closed cannot be opened again: what follows an unfinished call waits for the end."""
    assert blocks(
        ToolBegin(0, "a", "f"), ToolBegin(1, "b", "g"), ToolDelta(1, "{}"), ToolDelta(0, "{"), TextDelta("x"),
        ToolDelta(0, "}"),
    ) == [
        (0, "tool_use"), (0, "input_json_delta"), (0, "input_json_delta"), (0, "stop"),
        (1, "tool_use"), (1, "input_json_delta"), (1, "stop"),
        (2, "text"), (2, "text_delta"), (2, "stop"),
    ]  # fmt: skip


def test_an_empty_answer_is_whole() -> None:
    """Without a beginning it gets one."""
    assert [each["type"] for each in stream(End())] == ["message_start", "message_delta", "message_stop"]


def _status(status: int) -> SerinusError:
    return ProviderError("status", "x", upstream_status=status)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CallerError("x"), "invalid_request_error"),
        (Unauthenticated("x"), "authentication_error"),
        (Forbidden("x"), "permission_error"),
        (NotFound("x"), "not_found_error"),
        (BodyTooLarge("x"), "request_too_large"),
        (_status(402), "billing_error"),
        (_status(422), "invalid_request_error"),
        (_status(429), "rate_limit_error"),
        (_status(500), "api_error"),
        (_status(529), "overloaded_error"),
        (ProviderError("timeout", "x"), "timeout_error"),
        (GatewayError("x"), "api_error"),
        (Overloaded("x"), "overloaded_error"),
    ],
)
def test_errors_have_anthropics_types(error: SerinusError, kind: str) -> None:
    """By their status, in a body and in a stream."""
    body = json.loads(CLIENT.error(error, "call-1"))
    assert sent(CLIENT.error_event(error, "call-1")) == [body]
    body["error"].pop("serinus", None)  # who failed, of our own errors
    assert body == {"type": "error", "error": {"type": kind, "message": "x"}, "request_id": "call-1"}


def test_an_error_names_no_host_of_the_inside() -> None:
    """What failed inside is told in general words."""
    error = ProviderError("connect", "10.0.0.7:443 refused")
    assert json.loads(CLIENT.error(error, ""))["error"]["message"] == "the provider could not be reached"
    assert json.loads(CLIENT.error(error, ""))["request_id"] is None
