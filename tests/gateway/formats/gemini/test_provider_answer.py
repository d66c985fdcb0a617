"""What a provider of this format answers, whole."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Reply, Stop
from gateway.formats.gemini.provider import PROVIDER
from gateway.formats.prompt import Media, Reasoning, Text, ToolCall
from tests.gateway.formats.gemini.hostile import HOSTILE
from tests.gateway.formats.gemini.recordings import raw

TEXT = [{"text": "Hi"}]


def answer(parts: Any, reason: Any = "STOP", **members: Any) -> Reply:
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": reason, **members}
    return PROVIDER.reply(json.dumps({"candidates": [candidate]}).encode())


def test_a_documented_answer_is_read_whole() -> None:
    """Thoughts, text and parallel calls; a call without an id gets the answer's and its number."""
    assert PROVIDER.reply(raw("answer.json")) == Reply(
        (
            Reasoning("The user asks of two cities."),
            Text("Let me look."),
            ToolCall("call_aBc-123_0", "get_weather", '{"city":"Paris"}', "c2lnbmVk", "gemini"),
            ToolCall("fc-2", "get_weather", '{"city":"London"}'),
        ),
        "tool_calls",
        Usage(125, 100, 80, 50),
        "aBc-123",
        "gemini-3-pro",
    )


def test_a_blocked_prompt_is_an_empty_answer() -> None:
    """Google would not hear it: nobody failed, and it was not the model's length."""
    assert PROVIDER.reply(raw("blocked.json")) == Reply((), "content_filter", Usage(9), "aBc-124", "gemini-3-pro")


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter"),
     ("SPII", "content_filter"), ("OTHER", "stop"), ("SOMETHING_NEW", "stop"), (None, "stop")],
)  # fmt: skip
def test_a_reason_becomes_a_stop(reason: str | None, stop: Stop) -> None:
    """What nobody knows is a plain stop, where there is an answer."""
    assert answer(TEXT, reason).stop == stop


@pytest.mark.parametrize(
    ("parts", "reason"),
    [([], "MALFORMED_FUNCTION_CALL"), (TEXT, "UNEXPECTED_TOOL_CALL"), ([], "OTHER"), ([], "IMAGE_OTHER")],
)
def test_an_answer_that_the_model_failed_at_is_an_error(parts: Any, reason: str) -> None:
    """So that the next target may try."""
    with pytest.raises(ProviderError) as failed:
        answer(parts, reason, finishMessage="Malformed: print(")
    assert (failed.value.kind, failed.value.upstream_status) == ("error_in_answer", 200)
    assert failed.value.message == f"{reason}: Malformed: print("


def test_an_image_and_a_signed_text_are_parts() -> None:
    """A text cannot hold a signature, so it stands behind."""
    image = {"inlineData": {"mimeType": "image/png", "data": "aaaa"}}
    assert answer([{"text": "Here.", "thoughtSignature": "c2ln"}, image]).parts == (
        Text("Here."),
        Reasoning(signature="c2ln", signed_by="gemini"),
        Media("image", "image/png", "aaaa"),
    )


def test_log_probabilities_are_read() -> None:
    """Into chat completions' shape, at the first text."""
    chosen = {"token": "é", "tokenId": 5, "logProbability": -0.5}
    result = {"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen, {"token": "b"}]}]}
    token = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    (text,) = answer(TEXT, logprobsResult=result).parts
    assert text == Text(
        "Hi", logprobs=[{**token, "top_logprobs": [token, {"token": "b", "logprob": 0.0, "bytes": [98]}]}]
    )


def test_an_odd_answer_id_makes_no_odd_call_id() -> None:
    """Other formats take letters, digits, _ and -, and forty of them at most."""
    call = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]}
    replies = [PROVIDER.reply(json.dumps({**call, "responseId": id_}).encode()) for id_ in ("", "a/b", "x" * 99)]
    ids = [part.id for reply in replies for part in reply.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 3
    assert all(id_.replace("_", "").isalnum() and len(id_) <= 40 for id_ in ids)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"1", b"{}", b'{"candidates": []}', b'{"candidates": [{"index": 1}]}', b"[" * 100_000,
     b'{"candidates": [{"content": {"parts": [{"functionCall": 1}]}}]}',
     b'{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": 1}}]}}]}'],
)  # fmt: skip
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    """Whatever its status was."""
    with pytest.raises(ProviderError) as failed:
        PROVIDER.reply(body)
    assert failed.value.kind == "malformed"


def test_an_error_with_http_200_is_an_error() -> None:
    """Its code says what the client gets."""
    for body in (raw("exhausted.json"), b"[" + raw("exhausted.json") + b"]"):
        with pytest.raises(ProviderError) as failed:
            PROVIDER.reply(body)
        assert (failed.value.kind, failed.value.upstream_status, failed.value.status) == ("error_in_answer", 200, 429)


def test_deep_arguments_are_malformed() -> None:
    """They cannot be written again."""
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    body = b'{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": %s}}]}}]}' % deep
    try:
        (call,) = PROVIDER.reply(body).parts
        assert isinstance(call, ToolCall)
    except ProviderError as error:
        assert error.kind == "malformed"


@given(HOSTILE, HOSTILE, HOSTILE)
def test_hostile_answers_raise_nothing_but_provider_errors(parts: Any, reason: Any, usage: Any) -> None:
    """Whatever JSON a provider sends."""
    whole = {"candidates": [{"content": {"parts": parts}, "finishReason": reason, "logprobsResult": usage}]}
    for value in (parts, {"candidates": parts}, {"candidates": [parts]}, {**whole, "usageMetadata": usage}):
        try:
            PROVIDER.reply(json.dumps(value).encode())
        except ProviderError as error:
            assert error.message
