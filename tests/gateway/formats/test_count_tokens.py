"""How many tokens a request would take: the question to a provider, its answer, and an estimate without one."""

import json
from typing import Any

import pytest

from gateway.errors import ProviderError
from gateway.formats.count_tokens import check_count, count_answer, count_changes, estimate
from gateway.formats.prompt import Media, Message, OutputShape, Prompt, Reasoning, Text, ToolCall, ToolResult, ToolSpec
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


def test_an_estimate_counts_all_that_is_said() -> None:
    """Four bytes a token, four tokens a turn, and 1,600 for what is no text."""
    image = Media("image", mime="image/png", data="aGk=")
    parts = (Text("1234"), image, ToolResult("1", (Text("5678"), image)), Media("file", mime="text/csv", data="aGk="))
    said = (Reasoning("12"), ToolCall("1", "ab", "{}"))
    schema = {"a": 1}
    prompt = Prompt(
        (Message("user", parts), Message("assistant", said)), (ToolSpec("f", "g", schema),), output=OutputShape(schema)
    )
    assert estimate(prompt) == -(-(4 + 4 + 3 + 2 + 4 + 2 + 7 + 7) // 4) + 2 * 1600 + 2 * 4
    assert estimate(Prompt(())) == 0
