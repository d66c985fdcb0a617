"""What a provider said at once: an answer, or whose fault it was that there is none."""

import json
from typing import Any

import pytest

from gateway.errors import ContentRefused, Denied, ProviderError
from gateway.formats.openai_chat.errors import read_error
from gateway.formats.openai_chat.provider_answer import inspected, read_answer


def answer(**message: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "x", **message}}]}).encode()


@pytest.mark.parametrize("content", [None, "x", "\ud83d"])
def test_answer(content: str | None) -> None:
    """An answer is read, lone surrogates and all."""
    assert read_answer(answer(content=content))["choices"][0]["message"]["content"] == content


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"7", b"{}", b'{"choices":[]}', b'{"choices":{}}', b'{"choices":[7]}',
        b'{"choices":[{"message":null}]}', b"\xff", b"[" * 100_000, b'{"error":null}',
    ],
)  # fmt: skip
def test_what_is_no_answer(body: bytes) -> None:
    """Anything else is malformed, whatever it is."""
    with pytest.raises(ProviderError) as caught:
        read_answer(body)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize("error", [{"message": "no"}, "no", ["no"], {"message": {}}, {"a": [[[[]]]]}, 7])
def test_error_inside_an_answer(error: Any) -> None:
    """An error object in an answer with status 200 is the provider's failure; the client sees it as it came."""
    body = json.dumps({"error": error}).encode()
    with pytest.raises(ProviderError) as caught:
        read_answer(body)
    assert (caught.value.kind, caught.value.status) == ("error_in_answer", 502)
    assert caught.value.body == (body if isinstance(error, dict) else None)


@pytest.mark.parametrize(
    ("arguments", "well"),
    [("{}", True), ("", True), (None, True), ("[1]", True), ("{", False), ({}, False), (7, False), ("[" * 9999, False)],
)  # fmt: skip
def test_tool_call_arguments(arguments: Any, well: bool) -> None:
    """Arguments are JSON, or nothing at all."""
    body = answer(tool_calls=[{"function": {"arguments": arguments}}])
    assert inspected(read_answer(body), body).arguments_are_json is well


@pytest.mark.parametrize("calls", [7, [7], [{"function": 7}], {}, [{"type": "custom", "custom": {"input": "x"}}]])
def test_odd_tool_calls(calls: Any) -> None:
    """Tool calls of a kind we do not know are left alone."""
    body = answer(tool_calls=calls)
    assert inspected(read_answer(body), body).arguments_are_json


def test_error_keeps_its_status_and_body() -> None:
    """Status, body and param of the provider's own error are those of ours."""
    body = b'{ "error": {"message": "too long", "param": "messages", "code": "c"}}'
    error = read_error(422, [(b"retry-after", b"1")], body)
    assert (error.status, error.body, error.param, error.message) == (422, body, "messages", "too long")


def test_error_at_the_top() -> None:
    """Servers that put message and code at the top of the body are understood, and shown as they are."""
    body = b'{"object":"error","message":"too long","param":null,"code":400}'
    error = read_error(400, [], body)
    assert (error.status, error.message, error.body) == (400, "too long", body)


@pytest.mark.parametrize(("status", "shown"), [(400, 502), (500, 502), (404, 502), (429, 429), (503, 503), (529, 529)])
def test_error_without_a_readable_body(status: int, shown: int) -> None:
    """A page of HTML says nothing: 502, but for the statuses that mean the same without words."""
    error = read_error(status, [], b"<html>")
    assert (error.status, error.upstream_status, error.body) == (shown, status, None)


@pytest.mark.parametrize("status", [100, 201, 204, 301, 307, 399, 600, 999])
def test_status_that_is_neither(status: int) -> None:
    """Neither 200 nor an error: not what the API promises."""
    assert read_error(status, [], b"{}").kind == "malformed"


@pytest.mark.parametrize(
    ("status", "code"), [(401, None), (403, None), (400, "invalid_api_key"), (500, "authentication_error")]
)
def test_error_about_our_key(status: int, code: str | None) -> None:
    """Whatever says that our key is wrong is a 502 in our own words: it may quote the key."""
    error = read_error(status, [], json.dumps({"error": {"message": "sk-planted", "code": code}}).encode())
    assert (error.status, error.body) == (502, None)
    assert "sk-" not in error.client_message


def test_a_request_that_moderation_refuses_is_not_about_our_key() -> None:
    """OpenRouter says 403 of it, with reasons; one that says nothing is about nobody."""
    flagged = {
        "error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "x"}}
    }
    assert isinstance(read_error(403, [], json.dumps(flagged).encode()), ContentRefused)
    assert isinstance(read_error(403, [], b'{"error": {"code": 403, "message": "no"}}'), Denied)
