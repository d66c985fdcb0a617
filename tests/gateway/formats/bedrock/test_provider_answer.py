"""A whole answer of Converse, and its errors."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Reply
from gateway.formats.bedrock.provider import PROVIDER
from gateway.formats.prompt import Media, Reasoning, Text, ToolCall
from tests.gateway.formats.bedrock.wire import RECORDINGS
from tests.gateway.formats.prompts import VALUES

REFUSED = "the provider refused the gateway's credentials"


def read(*content: Any, stop: Any = "end_turn", **more: Any) -> Reply:
    answer = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": stop, **more}
    return PROVIDER.reply(json.dumps(answer).encode())


def test_the_documented_answer() -> None:
    """Thoughts with who signed them, text, a call, and usage whose input includes what was cached."""
    assert PROVIDER.reply((RECORDINGS / "answer.json").read_bytes()) == Reply(
        (
            Reasoning("Look it up.", "EqQB", signed_by="bedrock"),
            Reasoning(encrypted="EmQ=", signed_by="bedrock"),
            Text("One moment."),
            ToolCall("tooluse_a", "get_weather", '{"city":"Oslo"}'),
        ),
        "tool_calls",
        Usage(22, 8, 20, cache_written=4),
    )


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"citationsContent": {"content": [{"text": "a"}], "citations": []}}, Text("a")),
        ({"reasoningContent": {"reasoningText": {"text": "a"}}}, Reasoning("a")),
        ({"image": {"format": "jpeg", "source": {"bytes": "AA=="}}}, Media("image", "image/jpeg", "AA==")),
        ({"toolUse": {"toolUseId": "t", "name": "respond_with_json", "input": {"a": 1}}}, Text('{"a":1}')),
        ({"toolUse": {"toolUseId": "t", "name": "f"}}, ToolCall("t", "f", "{}")),
    ],
)
def test_blocks(block: Any, part: Any) -> None:
    """Every kind of block; a function that stands in for a schema is text."""
    assert read(block).parts == (part,)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "stop"),
        ("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"), ("refusal", "refusal"), ("something_new", "stop"), (None, "stop"),
    ],
)  # fmt: skip
def test_why_it_stopped(reason: Any, stop: str) -> None:
    """Bedrock's reasons; a tool use without a call is the one that stood in for a schema."""
    assert read({"text": "a"}, stop=reason).stop == stop


def test_the_sequence_that_stopped_it() -> None:
    """Claude names it where it was asked."""
    assert read(additionalModelResponseFields={"stop_sequence": "END"}).stop_sequence == "END"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"7", b"{}", b'{"output":{"message":{"content":7}}}', b'{"message":"no"}'],
)
def test_what_is_no_answer(body: bytes) -> None:
    """It is not what the format promises."""
    with pytest.raises(ProviderError) as caught:
        PROVIDER.reply(body)
    assert caught.value.kind == "malformed"


@given(VALUES, VALUES, VALUES)
def test_hostile_answers(one: Any, two: Any, three: Any) -> None:
    """Whatever a provider sends is a reply or a ProviderError."""
    names = ("text", "toolUse", "reasoningContent", "image", "citationsContent")
    inner = {"reasoningText": one, "source": two, "content": [three, {"text": one}], "name": "f", "toolUseId": two}
    for content in ([dict.fromkeys(names, one)], [dict.fromkeys(names, inner), two], three):
        answer = {"output": {"message": {"content": content}}, "stopReason": two, "usage": {"inputTokens": three}}
        try:
            PROVIDER.reply(json.dumps(answer).encode())
        except ProviderError as error:
            assert error.kind == "malformed"


@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        (400, "ValidationException", b'{"message":"too long"}', (400, "too long")),
        (429, "ThrottlingException:http://x/", b'{"message":"slow"}', (429, "slow")),
        (413, "", b'{"Message":"too large"}', (413, "too large")),
        (403, "AccessDeniedException", b'{"message":"User: arn:aws:iam::1:user/x"}', (502, REFUSED)),
        (400, "UnrecognizedClientException:http://x/", b'{"message":"key"}', (502, REFUSED)),
        (503, "", b"<html>", (503, "the provider answered HTTP 503 without a readable error")),
    ],
)
def test_errors(status: int, kind: str, body: bytes, told: tuple[int, str]) -> None:
    """Bedrock's own words and status, but for what speaks of our account."""
    error = PROVIDER.error(status, [(b"x-amzn-errortype", kind.encode())], body)
    assert (error.status, error.message) == told
    assert error.body is None or b"arn:" not in error.body


def test_input_nested_too_deeply() -> None:
    """What no encoder gets through is not what the format promises."""
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    call = '{"toolUse":{"toolUseId":"t","name":"f","input":' + deep + "}}"
    with pytest.raises(ProviderError) as caught:
        PROVIDER.reply(b'{"output":{"message":{"content":[%s]}}}' % call.encode())
    assert caught.value.kind == "malformed"
