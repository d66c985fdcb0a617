"""What providers say of a failure, in every shape of error body that is known."""

import json
from typing import Any

import pytest

from gateway.errors import ProviderError, ProviderWords
from gateway.formats.provider_words import explain, words_of


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, ("m", "c", "p")),
        ({"error": {"message": "m", "type": "t", "param": None, "code": None}}, ("m", "t", "")),
        ({"error": {"message": "m", "code": 429}}, ("m", "429", "")),
        ({"error": "m"}, ("m", "", "")),
        ({"message": "m", "code": "c"}, ("m", "c", "")),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, ("m", "overloaded_error", "")),
        ({"type": "response.failed", "response": {"error": {"code": "c", "message": "m"}}}, ("m", "c", "")),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], ("m", "INVALID_ARGUMENT", "")),
        (
            {"error": {"code": 400, "message": "m", "status": "S", "details": [{"reason": "API_KEY_INVALID"}]}},
            ("m", "API_KEY_INVALID", ""),
        ),
        ({"__type": "ThrottlingException", "message": "m"}, ("m", "ThrottlingException", "")),
        ({"Message": "m"}, ("m", "", "")),
        ({"detail": [{"loc": ["body"], "msg": "m", "type": "missing"}]}, ("m", "missing", "")),
        ({"choices": [{"error": {"code": "c", "message": "m"}}]}, ("m", "c", "")),
    ],
)
def test_json(body: Any, words: tuple[str, str, str]) -> None:
    """Message, code and parameter, as far as there are any."""
    assert words_of(json.dumps(body).encode())[:3] == words


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"upstream connect error\r\n", "upstream connect error"),
        (b"<html><head><title>502 Bad\nGateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<p>Sorry,</p> <b>no</b> < 3", "Sorry, no < 3"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_pages(body: bytes, message: str) -> None:
    """A proxy's page says its title, or its text."""
    assert words_of(body).message == message


def test_headers() -> None:
    """Bedrock says the kind of error in a header; each API has its own header for its id of the request."""
    headers = [(b"x-amzn-requestid", b"r-1"), (b"x-amzn-errortype", b"ThrottlingException:http://amazon.com/")]
    assert words_of(b'{"message":"m"}', headers) == ProviderWords("m", "ThrottlingException", "", "r-1")
    assert words_of(b"", [(b"cf-ray", b"ray"), (b"request-id", b"req_1")]).request_id == "req_1"


def test_the_closest_reader_knows_best() -> None:
    """What was noted where an event was read stays; an answer that was interrupted says nothing of an error."""
    noted = explain(ProviderError("error_in_answer", "x"), b'{"error":{"message":"m"}}')
    assert explain(noted, b'{"error":{"message":"other"}}', [(b"request-id", b"r")]).words == ("m", "", "", "r")
    cut = explain(ProviderError("error_in_answer", "interrupted"), b'{"type":"message","choices":[{"index":0}]}')
    assert cut.words == ("", "", "", "")


def test_a_large_body_is_not_parsed() -> None:
    """Of a body beyond any error's size only the beginning is looked at, as text."""
    assert len(words_of(b'{"error":"' + b"x" * (1 << 20) + b'"}').message) <= 1000
