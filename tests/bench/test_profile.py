"""Which stage a function belongs to."""

import pytest

from bench.profile import stage


@pytest.mark.parametrize(
    ("module", "function", "expected"),
    [
        ("gateway.net.server.protocol", "_feed", "read the request"),
        ("gateway.net.server.exchange", "_send_body", "send"),
        ("gateway.formats.openai_chat.amend", "chat_request", "rewrite for the provider"),
        ("gateway.formats.openai_chat.provider_answer", "read_answer", "read the answer, usage"),
        ("routing.plan", "route", "route, unit, id"),
        ("gateway.something_new", "run", "rest"),
    ],
)
def test_a_function_is_its_stages(module: str, function: str, expected: str) -> None:
    """By its module, and in the server by what it does; what nobody named is the rest."""
    assert stage(module, function) == expected
