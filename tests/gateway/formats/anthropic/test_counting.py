"""How many tokens a request would take: the question to a provider, and its answer."""

import json
from typing import Any

import pytest

from gateway.errors import ProviderError
from gateway.formats.anthropic._counting import check_count, count_answer, count_changes
from gateway.formats.prompt import ToolSpec
from gateway.formats.settings import Settings
from gateway.json_body import Document


def asked(body: dict[str, Any], settings: Settings) -> Any:
    document = Document.parse(json.dumps(body).encode())
    return json.loads(document.render(count_changes(document, settings, "claude-sonnet-4-5")))


def test_what_says_how_to_answer_is_not_asked() -> None:
    """The endpoint refuses it, whoever set it; what is counted stays, Anthropic's own tools too."""
    theirs = {"model": "a", "messages": [], "max_tokens": 5, "stream": True, "metadata": {}, "tools": [{"type": "w"}]}
    ours = Settings("Be kind.", (ToolSpec("f"),), {"temperature": 0.5, "max_tokens": 9}, None, {"service_tier": "auto"})
    assert asked(theirs, ours) == {
        "model": "claude-sonnet-4-5",
        "messages": [],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}, {"type": "w"}],
        "system": [{"type": "text", "text": "Be kind."}],
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input_tokens":true}', b'{"input_tokens":-1}', b'{"error":7}'])
def test_what_is_no_count_is_a_failure_of_the_provider(body: bytes) -> None:
    """Whatever its status was."""
    with pytest.raises(ProviderError):
        check_count(body)


def test_a_count() -> None:
    """Has one member."""
    assert count_answer(7) == b'{"input_tokens":7}'
    check_count(count_answer(7))
