import json
from typing import Any

import pytest

from gateway.errors import CallerError, NotFound
from gateway.formats.openai_responses.provider import PROVIDER
from gateway.formats.prompt import OutputShape, ToolChoice, ToolSpec, Untranslatable
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode
from tests.gateway.formats.openai_responses.recordings import recorded


def amended(request: dict[str, Any], settings: Settings | None = None) -> dict[str, Any]:
    """The members that change, as values."""
    document = Document.parse(encode(request).encode())
    changed = PROVIDER.amend(document, settings or Settings(), "gpt-5")
    return {name: None if text is None else json.loads(text) for name, text in changed.items()}


def test_an_empty_version_changes_the_model_alone() -> None:
    """All else goes through byte for byte: encrypted reasoning, state at the provider, tools that run there."""
    document = Document.parse(recorded("request.json"))
    assert PROVIDER.amend(document, Settings(), "gpt-5-mini") == {"model": '"gpt-5-mini"'}
    stored = {"input": "Hi", "previous_response_id": "resp_67c", "tools": [{"type": "web_search"}]}
    assert amended(stored) == {"model": "gpt-5"}


def test_the_versions_system_prompt_comes_first() -> None:
    """The client's instructions follow in their own spelling."""
    document = Document.parse(b'{"input":"Hi","instructions":"caf\\u00e9 \xe2\x98\x95"}')
    changed = PROVIDER.amend(document, Settings(system="Ünder"), "m")
    assert changed["instructions"] == '"\\u00dcnder\\n\\ncaf\\u00e9 ☕"'
    assert amended({"input": "Hi"}, Settings(system="S"))["instructions"] == "S"
    with pytest.raises(CallerError, match="instructions must be text"):
        amended({"input": "Hi", "instructions": 3}, Settings(system="S"))


def test_the_versions_tools_replace_those_of_their_names() -> None:
    """Then come the client's, in its own bytes, with those that run at the provider."""
    client = b'{"tools":[{"type":"function","name":"f","x":1.0},{"type":"web_search" },{"type":"function","name":"g"}]}'
    changed = PROVIDER.amend(Document.parse(client), Settings(tools=(ToolSpec("f", schema={}),)), "m")
    own = '{"type":"function","name":"f","parameters":{},"strict":false}'
    assert changed["tools"] == f'[{own},{{"type":"web_search" }},{{"type":"function","name":"g"}}]'


@pytest.mark.parametrize(
    ("fixed", "members"),
    [
        ({"max_tokens": 5}, {"max_output_tokens": 16}),
        ({"max_tokens": None}, {"max_output_tokens": None}),
        ({"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5, "top_p": 1.0}),
        ({"effort": "high"}, {"reasoning": {"effort": "high", "summary": "auto"}}),
        ({"thinking_budget": 2000}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"effort": "high", "thinking_budget": 1}, {"reasoning": {"effort": "high", "summary": "auto"}}),
        ({"wants_thoughts": False}, {"reasoning": None}),
        ({"output": OutputShape()}, {"text": {"verbosity": "low", "format": {"type": "json_object"}}}),
        ({"tool_choice": ToolChoice("required")}, {"tool_choice": "required"}),
        ({"parallel_tools": False, "stop": (), "seed": None}, {"parallel_tool_calls": False}),
        ({"logprobs": True}, {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]}),
    ],
)
def test_parameters_replace_what_the_client_sent(fixed: dict[str, Any], members: dict[str, Any]) -> None:
    """Each by its own name here; beside a part of a member the client's other parts stay."""
    request: dict[str, Any] = {"input": "Hi", "reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}}
    request |= {"max_output_tokens": 99, "include": ["reasoning.encrypted_content"]}
    assert amended(request, Settings(fixed=fixed)) == {"model": "gpt-5", **members}


def test_defaults_fill_in_what_the_client_left_out() -> None:
    """A client that says nothing, or null, gets the version's; what it says stands."""
    settings = Settings(defaults={"temperature": 0.5, "effort": "low", "max_tokens": 100})
    changed = amended({"input": "Hi", "temperature": 1, "max_output_tokens": None}, settings)
    assert changed == {"model": "gpt-5", "reasoning": {"effort": "low"}, "max_output_tokens": 100}
    assert amended({"input": "Hi", "reasoning": {"effort": "high"}}, Settings(defaults={"effort": "low"})) == {
        "model": "gpt-5"
    }


def test_native_parameters_are_laid_over() -> None:
    """Members that no other format knows: an object over an object, anything else in its place."""
    native = {"truncation": "auto", "text": {"verbosity": "low"}}
    changed = amended({"text": {"format": {"type": "text"}}}, Settings(native=native))
    assert changed == {
        "model": "gpt-5",
        "truncation": "auto",
        "text": {"format": {"type": "text"}, "verbosity": "low"},
    }


def test_a_parameter_that_this_api_lacks_is_named() -> None:
    """A version that was written for another API says so where it meets this one."""
    with pytest.raises(Untranslatable) as error:
        amended({"input": "Hi"}, Settings(fixed={"stop": ("END",)}))
    assert error.value.param == "stop"


def test_what_we_wrote_into_the_history_is_taken_out() -> None:
    """OpenAI would look for our ids, and cannot read another provider's reasoning; the client's own stays as it is."""
    reasoning = {"type": "reasoning", "id": "rs_serinus_0a_0", "summary": [], "encrypted_content": "serinus:{}"}
    message = {"type": "message", "id": "msg_serinus_0a_1", "role": "assistant", "content": []}
    theirs = {"type": "reasoning", "id": "rs_68", "summary": [], "encrypted_content": "gAA"}
    changed = amended({"input": [reasoning, message, theirs, 3]})
    assert changed["input"] == [{"type": "message", "role": "assistant", "content": []}, theirs, 3]


def test_an_answer_of_ours_cannot_be_gone_on_from() -> None:
    """The provider never saw it: that is said here, with the way out."""
    with pytest.raises(NotFound):
        amended({"input": "Hi", "previous_response_id": "resp_serinus_call-1"})


def test_long_ids_of_another_provider_are_fitted() -> None:
    """A call and its output keep one id, of at most 64 characters; all other items go through as they came."""
    own = '{"type": "message", "role": "user", "content": "é\\ud83d 1.0e5"}'
    call = {"type": "function_call", "call_id": "c" * 86, "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c" * 86, "output": "x"}
    body = f'{{"model": "a", "input": [{own}, {json.dumps(call)}, {json.dumps(result)}]}}'
    changed = PROVIDER.amend(Document.parse(body.encode()), Settings(), "gpt-5")["input"] or ""
    _, sent, answered = json.loads(changed)
    assert sent["call_id"] == answered["call_id"] and len(sent["call_id"]) <= 64
    assert changed.startswith(f"[{own},") and sent | {"call_id": ""} == call | {"call_id": ""}
