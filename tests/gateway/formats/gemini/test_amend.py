"""What a version changes in a client's request of the same format."""

import json
from typing import Any

import pytest

from gateway.errors import CallerError
from gateway.formats.gemini.client import CLIENT
from gateway.formats.gemini.provider import PROVIDER
from gateway.formats.prompt import OutputShape, ToolChoice, ToolSpec
from gateway.formats.settings import Settings
from gateway.json_body import Document

MODEL = "gemini-3-pro"
TOOL = ToolSpec("f", "Ours.")
OURS = {"functionDeclarations": [{"name": "f", "description": "Ours."}]}


def amended(body: str, settings: Settings) -> dict[str, Any]:
    document = Document.parse(body.encode())
    rendered: dict[str, Any] = json.loads(document.render(PROVIDER.amend(document, settings, MODEL)))
    return rendered


def config(client: dict[str, Any] | None, **settings: Any) -> Any:
    body = {} if client is None else {"generationConfig": client}
    return amended(json.dumps(body), Settings(**settings)).get("generationConfig")


def test_a_version_that_sets_nothing_changes_nothing() -> None:
    """The client's bytes go on as they came."""
    document = Document.parse(b'{"contents": [ ], "generation_config": {"top_p": 1.0e0}}')
    assert PROVIDER.amend(document, Settings(), MODEL) == {}


def test_the_model_is_taken_out_of_the_body() -> None:
    """It stands in the path, and is the version's."""
    assert amended('{"model": "models/other", "contents": []}', Settings()) == {"contents": []}


def test_the_versions_prompt_comes_before_the_clients() -> None:
    """In one instruction, under the name of the API's reference, however the client spelled it."""
    ours = Settings(system="Ours.")
    assert amended("{}", ours) == {"systemInstruction": {"parts": [{"text": "Ours."}]}}
    assert amended('{"system_instruction": {"role": "user", "parts": {"text": "Theirs."}}}', ours) == {
        "systemInstruction": {"role": "user", "parts": [{"text": "Ours."}, {"text": "Theirs."}]}
    }
    for odd in ("_systemInstruction", "system__instruction"):  # the provider knows no such name
        assert amended(json.dumps({odd: {"parts": []}}), ours) == {"systemInstruction": {"parts": [{"text": "Ours."}]}}


@pytest.mark.parametrize(
    "body",
    [
        '{"systemInstruction": {"parts": []}, "system_instruction": {"parts": []}}',
        '{"generationConfig": {}, "generation_config": {}}',
        '{"generationConfig": {"topP": 1, "top_p": 1}}',
        '{"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinking_budget": null}}}',
        '{"toolConfig": {"functionCallingConfig": {}, "function_calling_config": {}}}',
        '{"tools": [{"functionDeclarations": [], "function_declarations": [{"name": "f"}]}]}',
        '{"tools": [{"functionDeclarations": [{"name": "f", "_name": "g"}]}]}',
        '{"contents": [], "system_instruction": null, "systemInstruction": {"parts": {"text": "Theirs."}}}',
        '{"systemInstruction": {"parts": [], "_parts": [{"text": "Theirs."}]}}',
    ],
)
def test_two_spellings_of_one_member(body: str) -> None:
    """Refused at every depth that the gateway or a version writes, same format or translated: the provider could take
    the one that was not replaced."""
    ours = Settings(
        system="Ours.",
        tools=(ToolSpec("f", strict=True),),
        fixed={"top_p": 0.5, "effort": "low", "tool_choice": "auto"},
    )
    with pytest.raises(CallerError, match="given twice"):
        amended(body, ours)
    with pytest.raises(CallerError, match="given twice"):
        CLIENT.prompt({"contents": [{"parts": [{"text": "hi"}]}], **json.loads(body)})


def test_fixed_settings_replace_and_defaults_fill_in() -> None:
    """In either spelling; what nobody sets keeps its bytes."""
    document = Document.parse(b'{"generation_config": {"top_p": 0.10, "temperature": 0.20, "topK": 1.0e1}}')
    settings = Settings(fixed={"top_p": 0.5}, defaults={"temperature": 1.0, "max_tokens": 9})
    assert PROVIDER.amend(document, settings, MODEL) == {
        "generation_config": None,
        "generationConfig": '{"temperature":0.20,"topK":1.0e1,"maxOutputTokens":9,"topP":0.5}',
    }


@pytest.mark.parametrize(
    ("client", "settings", "expected"),
    [
        ({"seed": 1}, {"fixed": {"seed": None}}, {}),
        ({"stopSequences": ["a"]}, {"defaults": {"stop": ("b",)}}, {"stopSequences": ["a"]}),
        ({"thinkingConfig": {"thinkingBudget": 5, "includeThoughts": True}}, {"fixed": {"effort": "low"}},
         {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"}}),
        ({"thinkingConfig": {"thinkingBudget": 5}}, {"fixed": {"effort": None, "thinking_budget": None}}, {}),
        ({"thinkingConfig": {"thinkingBudget": 5}}, {"defaults": {"effort": "low"}},
         {"thinkingConfig": {"thinkingBudget": 5}}),
        ({"responseSchema": {"type": "STRING"}}, {"fixed": {"output": OutputShape({"type": "object"})}},
         {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}),
        ({"topK": 1}, {"native": {"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}},
         {"topK": 1, "mediaResolution": "MEDIA_RESOLUTION_LOW"}),
        (None, {"fixed": {"temperature": 0.5}, "native": {"generation_config": {"candidate_count": 2}}},
         {"temperature": 0.5, "candidateCount": 2}),
        (None, {"defaults": {"stream": True, "wants_usage": True}}, None),
    ],
)  # fmt: skip
def test_settings_are_laid_over_the_clients(
    client: dict[str, Any] | None, settings: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    """A fixed one takes out every member that says the same; a default stays back where the client said anything."""
    assert config(client, **settings) == expected


def test_the_versions_functions_come_first_and_win_by_name() -> None:
    """The client's others stay, and so do Google's own tools."""
    theirs = {"function_declarations": [{"name": "f"}, {"name": "g"}], "codeExecution": {}}
    only = {"functionDeclarations": [{"name": "f"}]}
    body = json.dumps({"tools": [theirs, only, {"googleSearch": {}}]})
    assert amended(body, Settings(tools=(TOOL,)))["tools"] == [
        OURS,
        {"codeExecution": {}, "functionDeclarations": [{"name": "g"}]},
        {"googleSearch": {}},
    ]
    assert amended("{}", Settings(tools=(TOOL,))) == {"tools": [OURS]}


def test_the_choice_of_functions_is_the_versions() -> None:
    """A default only where the client chose nothing."""
    theirs = '{"toolConfig": {"retrievalConfig": {}, "functionCallingConfig": {"mode": "NONE"}}}'
    fixed = Settings(tools=(TOOL,), fixed={"tool_choice": ToolChoice("required")})
    ours = {"retrievalConfig": {}, "functionCallingConfig": {"mode": "ANY"}}
    assert amended(theirs, fixed)["toolConfig"] == ours
    lenient = Settings(tools=(TOOL,), defaults={"tool_choice": ToolChoice("required")})
    assert amended(theirs, lenient)["toolConfig"]["functionCallingConfig"] == {"mode": "NONE"}
    assert amended("{}", lenient)["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    cleared = Settings(tools=(TOOL,), fixed={"tool_choice": None})
    assert amended(theirs, cleared)["toolConfig"] == {"retrievalConfig": {}}


def test_strict_functions_of_the_version_validate_the_calls() -> None:
    """Unless the client says itself how functions are to be called."""
    strict = Settings(tools=(ToolSpec("f", strict=True),))
    assert amended("{}", strict)["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_members_of_the_api_are_put_in_under_their_own_names() -> None:
    """An object is laid over the client's; anything else takes its place."""
    native = {"safetySettings": [], "toolConfig": {"a": 1}}
    assert amended('{"safety_settings": [1], "tool_config": {"b": 2}}', Settings(native=native)) == {
        "safetySettings": [],
        "toolConfig": {"a": 1, "b": 2},
    }


def test_an_ill_typed_member_that_the_version_changes_is_refused() -> None:
    """There is nothing to lay settings over."""
    with pytest.raises(CallerError) as refused:
        config([1], fixed={"seed": 1})  # type: ignore[arg-type]
    assert refused.value.param == "generationConfig"
