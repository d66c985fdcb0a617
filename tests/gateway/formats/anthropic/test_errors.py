"""Errors of the Messages API: as clients get them, and as providers send them."""

import json

import pytest

from gateway.errors import (
    BodyTooLarge,
    CallerError,
    Forbidden,
    GatewayError,
    Overloaded,
    ProviderError,
    SerinusError,
    Unauthenticated,
    UnknownModel,
    failure_details,
)
from gateway.formats.anthropic.client import CLIENT
from gateway.formats.anthropic.provider import PROVIDER
from tests.gateway.formats.anthropic.recordings import recorded

REFUSED = "the provider refused the gateway's credentials"


def upstream(status: int, kind: str) -> ProviderError:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "key sk-1"}}).encode()
    return PROVIDER.error(status, [], body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CallerError("no"), "invalid_request_error"),
        (Unauthenticated("no"), "authentication_error"),
        (Forbidden("no"), "permission_error"),
        (UnknownModel("no"), "not_found_error"),
        (BodyTooLarge("no"), "request_too_large"),
        (GatewayError("no"), "api_error"),
        (Overloaded("no"), "overloaded_error"),
        (ProviderError("timeout", "no"), "timeout_error"),
        (ProviderError("status", "no", upstream_status=429), "rate_limit_error"),
        (ProviderError("status", "no", upstream_status=529), "overloaded_error"),
        (ProviderError("untranslatable", "no", param="seed"), "invalid_request_error"),
    ],
)
def test_clients_get_anthropics_error_body(error: SerinusError, kind: str) -> None:
    """Its type follows from the status, as the SDKs expect."""
    told = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "call-1"}
    found = json.loads(CLIENT.error(error, "call-1"))
    assert found["error"].pop("serinus", None) == (failure_details(error, "call-1") or None)
    assert found == told
    assert CLIENT.error_event(error, "call-1") == b"event: error\ndata: " + CLIENT.error(error, "call-1") + b"\n\n"


def test_what_names_hosts_of_the_inside_is_not_told() -> None:
    """A failed connection is told in other words."""
    body = CLIENT.error(ProviderError("connect", "10.0.0.1:443 refused"), "")
    assert b"10.0.0.1" not in body and json.loads(body)["request_id"] is None


def test_a_rate_limit_keeps_its_status_headers_and_words() -> None:
    """The client waits as it was told to."""
    error = PROVIDER.error(429, [(b"retry-after", b"7")], recorded("rate_limited.json"))
    assert (error.status, error.headers, error.body) == (429, [(b"retry-after", b"7")], recorded("rate_limited.json"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "authentication_error"), (403, "permission_error"), (402, "billing_error"), (400, "billing_error")],
)
def test_what_is_about_our_account_is_not_shown(status: int, kind: str) -> None:
    """Whatever its status is: it may quote the key."""
    error = upstream(status, kind)
    assert (error.message, error.body, error.status) == (REFUSED, None, 502)
    assert PROVIDER.error(401, [], recorded("key_refused.json")).body is None


def test_a_callers_words_about_billing_are_no_billing_error() -> None:
    """The type of an error counts, and not what it quotes."""
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"no tool \\"billing_error\\""}}'
    assert PROVIDER.error(400, [], body).body == body


@pytest.mark.parametrize(
    ("kind", "status", "shown"),
    [("overloaded_error", 529, True), ("rate_limit_error", 429, True), ("api_error", 502, True),
     ("timeout_error", 504, True), ("invalid_request_error", 400, True), ("news", 502, True),
     ("authentication_error", 502, False), ("billing_error", 502, False)],
)  # fmt: skip
def test_an_error_with_http_200_gets_the_status_of_its_type(kind: str, status: int, shown: bool) -> None:
    """Also as an event of a stream; what is about our account stays inside."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "m"}}).encode()
    for read in (PROVIDER.reply, lambda data: PROVIDER.parser().take("error", data)):
        with pytest.raises(ProviderError) as caught:
            read(body)
        error = caught.value
        assert (error.kind, error.upstream_status, error.status) == ("error_in_answer", 200, status)
        assert (error.body is not None) == shown


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("max_tokens: 9 > 8", "max_tokens"),
        ("messages.0.content.1: no", "messages.0.content.1"),
        ("thinking.enabled.budget_tokens: at least 1024", "thinking.enabled.budget_tokens"),
        ("stop_sequences: no", "stop"),
        ("output_config.effort: no", "reasoning_effort"),
        ("prompt is too long: 9 > 8", None),
    ],
)
def test_the_field_that_is_wrong(message: str, param: str | None) -> None:
    """It stands at the beginning of the message; what versions set is told under the name that they know."""
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).encode()
    assert PROVIDER.error(400, [], body).param == param


@pytest.mark.parametrize("message", ["a" * 20_000, "a." * 10_000 + ": ", "messages" + ".0" * 10_000 + ": no"])
def test_a_quoted_name_without_end_is_no_field(message: str) -> None:
    """A provider that repeats what the client sent names no field by it, and is read in one go."""
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).encode()
    assert PROVIDER.error(400, [], body).param is None


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("max_tokens: 9 > 8", "max_tokens"),
        ("messages.0.content: no", "messages.0.content"),
        ("output_config.effort: no", "reasoning_effort"),
    ],
)
def test_a_refused_field_is_named(message: str, field: str) -> None:
    """The error's `param` is the field that the provider's message begins with."""
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).encode()
    assert PROVIDER.error(400, [], body).param == field
