"""Whole answers and errors of a provider of the Messages API."""

import json
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Reply
from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.prompt import Reasoning, Refusal, Text, ToolCall
from tests.gateway.formats.anthropic.recordings import recorded


def read(**members: Any) -> Reply:
    return PROVIDER.reply(json.dumps({"type": "message", "content": [], **members}).encode())


def failure(body: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        PROVIDER.reply(body)
    return caught.value


def content(kind: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": "key sk-1 is bad"}}).encode()


def test_a_whole_answer() -> None:
    """Signed thoughts, text and calls; what the provider runs itself is left out."""
    assert PROVIDER.reply(recorded("answer.json")) == Reply(
        (
            Reasoning("Ask the tool.", "EqQBCgIYAhIM", signed_by="anthropic"),
            Reasoning(encrypted="EmwKAhgBEgy3", signed_by="anthropic"),
            Text("I will look."),
            ToolCall("toolu_01A1", "get_weather", '{"city":"Z\\u00fcrich"}'),
        ),
        "tool_calls",
        Usage(100, 50, 60, 10, cache_written=30),
        id="msg_01Aa",
        model="claude-sonnet-4-5-20250929",
    )


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "pause"),
        ("tool_use", "stop"),  # without a call there is none to answer
        ("news", "stop"),
        (None, "stop"),
        ([], "stop"),
    ],
)
def test_why_it_stopped(reason: object, stop: str) -> None:
    """A reason that is not known is none to fail for."""
    assert read(stop_reason=reason, stop_sequence="END").stop == stop


def test_the_forced_function_is_the_answer() -> None:
    """Where a schema was emulated."""
    call = {"type": "tool_use", "id": "toolu_1", "name": OUTPUT_TOOL, "input": {"a": 1}}
    reply = read(content=[call], stop_reason="tool_use")
    assert (reply.parts, reply.stop) == ((Text('{"a":1}'),), "stop")


def test_a_refusal_without_words_gets_some() -> None:
    """The provider's own where it gives any."""
    details = {"type": "refusal", "category": "cyber", "explanation": "Too dangerous."}
    assert read(stop_reason="refusal", stop_details=details).parts == (Refusal("Too dangerous."),)
    assert read(stop_reason="refusal").parts == (Refusal("The model declined to answer."),)
    assert read(stop_reason="refusal", content=[{"type": "text", "text": "No."}]).parts == (Text("No."),)


@pytest.mark.parametrize("usage", [None, 7, {}, {"input_tokens": "many", "output_tokens": -1, "x": []}])
def test_nonsense_in_the_usage_is_no_tokens(usage: object) -> None:
    """Never nonsense in the books."""
    assert read(usage=usage).usage in (None, Usage())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"content":7}',
        b'{"content":[7]}',
        b'{"content":[{"type":"text"}]}',
        b'{"content":[{"type":"tool_use","name":"f"}]}',
        b'{"content":[{"type":"tool_use","id":"1","name":"f","input":' + b"[" * 2000 + b"]" * 2000 + b"}]}",
    ],
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    """Whatever its status was."""
    assert failure(body).kind == "malformed"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 502), ("news", 502), ("timeout_error", 504)],
)
def test_an_error_in_an_answer_has_the_status_of_its_type(kind: str, status: int) -> None:
    """HTTP 200 says nothing of it."""
    error = failure(content(kind))
    assert (error.kind, error.upstream_status, error.status) == ("error_in_answer", 200, status)


@pytest.mark.parametrize("kind", ["authentication_error", "billing_error"])
def test_errors_about_our_account_are_not_shown(kind: str) -> None:
    """They may quote the key, and are none of the client's doing: with any status, in an answer too."""
    for error in (failure(content(kind)), PROVIDER.error(400, (), content(kind)), PROVIDER.error(401, (), b"secret")):
        assert (error.body, error.status, "credentials" in error.message) == (None, 502, True)


def test_an_account_without_credit_is_no_mistake_of_the_client() -> None:
    """Anthropic tells it as an invalid request."""
    refused = {
        "type": "invalid_request_error",
        "message": "Your credit balance is too low to access the Anthropic API.",
    }
    error = PROVIDER.error(400, (), json.dumps({"type": "error", "error": refused}).encode())
    assert (error.body, error.status) == (None, 502)


def test_an_error_says_what_the_provider_said() -> None:
    """Its status, its message, and its body for clients of the same format."""
    body = recorded("error.json")
    error = PROVIDER.error(400, ((b"retry-after", b"1"),), body)
    assert (error.kind, error.status, error.body) == ("status", 400, body)
    assert error.message == "max_tokens: 999999 > 64000, which is the maximum"
    assert PROVIDER.error(529, (), b"<html>").status == 529
    assert PROVIDER.error(302, (), b"").kind == "malformed"
