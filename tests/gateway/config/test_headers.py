"""Which headers an operator may give a provider."""

import pytest

from gateway.config import headers


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "Cookie", "Host", "x-serinus-a", "a b", "", 1])
def test_headers_that_no_provider_is_given(name: object) -> None:
    """Credentials have a place of their own; what frames a message is the connection's business."""
    with pytest.raises(ValueError):
        headers.fixed_header(name)


def test_a_header_that_a_provider_is_given() -> None:
    """Its name in lower case, its value on one line."""
    assert headers.fixed_header("OpenAI-Project") == "openai-project" and headers.fixed_value("a b") == "a b"
    for value in ("a\r\nx: y", " a", "", "é", "a" * 1001, 7):
        with pytest.raises(ValueError):
            headers.fixed_value(value)
