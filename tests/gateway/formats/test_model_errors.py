"""Whose refusal speaks of the model that was asked for, and whose does not."""

import json
from typing import Any

import pytest

from gateway.errors import ProviderError
from gateway.formats.model_errors import blaming_model
from gateway.rehearsal.standin import WORDINGS, Wording
from gateway.rehearsal.standin.unknown_model import refused_model

MODEL = "acme/Chirp-4o"


def param_of(status: int, body: bytes, model: str = MODEL, param: str | None = None) -> str | None:
    error = ProviderError("status", "no", upstream_status=status, param=param)
    return blaming_model(error, body, model).param


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize("wording", WORDINGS)
def test_an_unknown_model_is_told_from_the_words_of_every_provider(wording: Wording) -> None:
    """All but the one that says nothing of it."""
    assert param_of(*refused_model(wording, MODEL)) == (None if wording == "unreadable" else "model")


@pytest.mark.parametrize(
    "message",
    [
        "No such File object: The model acme/Chirp-4o does not exist",
        "file 'model not found' was not found",
        "The model `another` does not exist",
        "Request too large for model `acme/Chirp-4o` in organization org-1",
        "The model acme/Chirp-4o is not able to see images",
        "This model's maximum context length is 8192 tokens",
        "",
    ],
)
def test_what_a_client_can_bring_about_is_not_believed(message: str) -> None:
    """Neither its own text, which a provider quotes, nor another model, nor what the model cannot do."""
    assert param_of(404, said(message)) is None and param_of(400, said(message)) is None


@pytest.mark.parametrize("status", [200, 402, 408, 429, 500])
def test_other_statuses_do_not_speak_of_the_model(status: int) -> None:
    """Whatever they say."""
    assert param_of(status, said("Model Not Exist")) is None


def test_a_field_that_the_provider_names_stays() -> None:
    """It knows best."""
    assert param_of(400, said("Model Not Exist"), param="messages") == "messages"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[1]", b"1", b'{"error": 3}', b'{"detail": [7, {"loc": 5}]}'])
def test_a_body_that_says_nothing_readable_blames_nothing(body: bytes) -> None:
    """Also one of another shape than any known."""
    assert param_of(404, body) is None


def test_an_error_in_a_list_is_read() -> None:
    """So Gemini sends them in a stream."""
    assert param_of(404, b"[" + said("models/acme/Chirp-4o is not found") + b"]") == "model"
    assert param_of(422, b'{"detail": "Invalid model: acme/Chirp-4o"}') == "model"


def test_no_long_body_is_read() -> None:
    """Providers echo what clients sent."""
    assert param_of(404, said("Model Not Exist", echo="x" * (1 << 16))) is None
