"""Thoughts in the history of a conversation that goes on at another provider."""

import json
from typing import Any

import pytest

from gateway.formats.openai_chat.amend import fitted_history
from gateway.json_body import Document

CALL = {"id": "call12345", "type": "function", "function": {"name": "f", "arguments": '{"n": 1.0}'}}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
THOUGHT = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm.", "reasoning_details": [{"data": "x"}]}


def messages_of(sent: list[Any], host: str, *, moved: bool) -> Any:
    document = Document.parse(json.dumps({"messages": sent, "model": "a"}).encode())
    return json.loads(fitted_history(document, host, "gpt-5", moved=moved).render({}))["messages"]


@pytest.mark.parametrize(("host", "moved"), [("localhost", True), ("api.openai.com", False), ("api.mistral.ai", False)])
def test_left_out(host: str, moved: bool) -> None:
    """Thoughts and signatures of calls, where another format's provider was meant or the host refuses them."""
    sent = [{"role": "user", "content": "q"}, {**THOUGHT, "tool_calls": [SIGNED]}]
    assert messages_of(sent, host, moved=moved) == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "Hi", "tool_calls": [CALL]},
    ]


@pytest.mark.parametrize(
    ("host", "moved"),
    [("localhost", False), ("openrouter.ai", True), ("api.deepseek.com", True)],
)
def test_kept(host: str, moved: bool) -> None:
    """At a host that may want them everything stays as it came."""
    assert messages_of([THOUGHT], host, moved=moved) == [THOUGHT]


def test_other_messages_go_through_byte_for_byte() -> None:
    """Only a message that loses something is written anew: numbers and spaces of the others stay."""
    body = b'{"messages": [ {"role":"user",  "content":"q", "n":1.0e3}, {"role":"assistant","reasoning":"Hm."}]}'
    document = fitted_history(Document.parse(body), "api.openai.com", "gpt-5", moved=False)
    assert document.texts["messages"] == '[{"role":"user",  "content":"q", "n":1.0e3},{"role":"assistant"}]'


@pytest.mark.parametrize("odd", [["text"], [{"role": "assistant", "tool_calls": "reasoning"}], [None, 1, []]])
def test_what_is_no_message_stays(odd: list[Any]) -> None:
    """The provider says what is wrong with it."""
    sent = [*odd, {"role": "user", "reasoning": "mine"}]
    assert messages_of(sent, "api.openai.com", moved=False) == sent


def test_nothing_to_leave_out() -> None:
    """The very same request: nothing is read that needs no reading."""
    document = Document.parse(b'{"messages": [{"role": "user", "content": "q"}]}')
    assert fitted_history(document, "api.openai.com", "gpt-5", moved=True) is document


def test_long_ids_of_another_provider_are_fitted() -> None:
    """OpenAI refuses ids that other servers hand out; the call and its result keep one id, all else its spelling."""
    call = {**CALL, "id": "c" * 86}
    sent = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c" * 86, "content": "é"}]
    asked, answered = messages_of(sent, "api.openai.com", moved=False)
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] and len(answered["tool_call_id"]) <= 40
    assert messages_of(sent, "vllm.example", moved=False) == sent


def test_mistral_gets_ids_of_nine_letters_or_digits() -> None:
    """Its API refuses any other."""
    call = {**CALL, "id": "call_1"}
    sent = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": ""}]
    asked, answered = messages_of(sent, "api.mistral.ai", moved=False)
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"]
    assert len(answered["tool_call_id"]) == 9 and answered["tool_call_id"].isalnum()
