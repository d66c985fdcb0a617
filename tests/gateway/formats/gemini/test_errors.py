"""Errors in Google's shape, both ways."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError, ProviderError, SerinusError, StoreAway, UnknownModel
from gateway.formats.gemini.client import CLIENT
from gateway.formats.gemini.provider import PROVIDER
from gateway.formats.prompt import Untranslatable
from tests.gateway.formats.gemini.recordings import raw, recorded
from tests.gateway.formats.prompts import VALUES

REFUSED = "the provider refused the gateway's credentials"


def test_an_error_reaches_the_client_in_upstreams_own_words() -> None:
    """With its status and headers."""
    headers = [(b"retry-after", b"3")]
    error = PROVIDER.error(429, headers, raw("exhausted.json"))
    assert (error.kind, error.status, error.upstream_status) == ("status", 429, 429)
    assert (error.message, error.headers, error.body) == (
        "You exceeded your current quota.",
        headers,
        raw("exhausted.json"),
    )


@pytest.mark.parametrize(
    ("status", "body", "upstream"),
    [
        (400, raw("key_refused.json"), 401),
        (400, b'{"error": {"message": "API key not valid. Pass AIza"}}', 401),
        (401, b'{"error": {"message": "AIza"}}', 401),
        (403, b'{"error": {"details": [{"reason": "CONSUMER_SUSPENDED", "metadata": {"key": "AIza"}}]}}', 403),
    ],
)
def test_an_error_about_our_key_is_not_shown(status: int, body: bytes, upstream: int) -> None:
    """Google says 400 of a key that is not valid; it may quote it."""
    error = PROVIDER.error(status, (), body)
    assert (error.message, error.upstream_status, error.status, error.body) == (REFUSED, upstream, 502, None)


@pytest.mark.parametrize(
    ("status", "kind", "told"), [(302, "malformed", 502), (500, "status", 502), (503, "status", 503)]
)
def test_an_error_without_a_readable_body_keeps_little(status: int, kind: str, told: int) -> None:
    """Only statuses that mean the same everywhere."""
    error = PROVIDER.error(status, (), b"<html>")
    assert (error.kind, error.status, error.body) == (kind, told, None)


@pytest.mark.parametrize(
    ("error", "code", "status", "reason"),
    [
        (CallerError("No.", param="tools"), 400, "INVALID_ARGUMENT", "INVALID_REQUEST_ERROR"),
        (Untranslatable("No.", param="seed"), 400, "INVALID_ARGUMENT", "UNSUPPORTED_BY_PROVIDER"),
        (UnknownModel("No."), 404, "NOT_FOUND", "MODEL_NOT_FOUND"),
        (StoreAway("No."), 503, "UNAVAILABLE", "STORE_UNAVAILABLE"),
        (ProviderError("timeout", "No."), 504, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT"),
        (ProviderError("status", "No.", upstream_status=418), 418, "INVALID_ARGUMENT", "UPSTREAM_STATUS"),
    ],
)
def test_a_client_is_told_in_googles_shape(error: SerinusError, code: int, status: str, reason: str) -> None:
    """The field and the call's id stand in the details."""
    field = {"field": error.param} if error.param else {}
    told = json.loads(CLIENT.error(error, "call-1"))
    is_clients = isinstance(error, CallerError)
    failed_by = {} if is_clients else {"failedBy": error.failed_by, "lookUp": "/calls/call-1"}
    assert told == {"error": {
        "code": code, "message": "No.", "status": status,
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "serinus",
            "metadata": {"callId": "call-1", **field, **failed_by},
        }],
    }}  # fmt: skip


def test_a_broken_stream_ends_with_an_error_event() -> None:
    """In upstream's words where it spoke this format, in ours where it spoke another."""
    theirs = ProviderError("error_in_answer", "quota", body=raw("exhausted.json"))
    foreign = ProviderError("error_in_answer", "quota", body=b'{"error": {"message": "quota", "type": "x"}}')
    for error, code in ((theirs, 429), (foreign, 502), (ProviderError("truncated", "quota"), 502)):
        event = CLIENT.error_event(error, "call-1")
        assert event.startswith(b'data: {"error":') and event.endswith(b"\r\n\r\n")
        assert json.loads(event[6:])["error"]["code"] == code
    assert json.loads(CLIENT.error_event(theirs, "call-1")[6:]) == recorded("exhausted.json")


@given(st.integers(-1, 1000), VALUES | st.fixed_dictionaries({"error": VALUES}))
def test_hostile_errors_are_errors(status: int, value: Any) -> None:
    """Whatever JSON a provider sends with whatever status."""
    error = PROVIDER.error(status, (), json.dumps(value).encode())
    assert error.message
    assert CLIENT.error_event(error, "call-1").startswith(b"data: {")
