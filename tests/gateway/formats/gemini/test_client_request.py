"""A client's generateContent request in no wire format."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError
from gateway.formats.gemini.client import CLIENT
from gateway.formats.prompt import (
    Media,
    Message,
    OutputShape,
    Prompt,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from tests.gateway.formats.gemini.hostile import HOSTILE, NAMES
from tests.gateway.formats.gemini.recordings import recorded

HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def read(**members: Any) -> Prompt:
    return CLIENT.prompt({**HELLO, **members})


def said(*parts: dict[str, Any], role: str = "user") -> Prompt:
    return CLIENT.prompt({"contents": [{"role": role, "parts": list(parts)}]})


def test_a_documented_request_is_read_whole() -> None:
    """Every member lands in its field, calls keep their ids or get one, and what has no field is an extra."""
    prompt = CLIENT.prompt(recorded("request.json"))
    asked = (Text("What is the weather where this was taken?"), Media("image", "image/png", "iVBORw0KGgo="))
    called = (
        Reasoning("Two cities, then."),
        ToolCall("fc-1", "get_weather", '{"city":"Paris"}', "c2lnbmVk", "gemini"),
        ToolCall("call_1", "get_weather", '{"city":"London"}'),
    )
    answered = (
        ToolResult("fc-1", (Text("rain"),), "get_weather"),
        ToolResult("call_1", (Text("no such city"),), "get_weather", is_error=True),
    )
    schema = {"type": "object", "properties": {"city": {"type": ["string", "null"]}}, "required": ["city"]}
    assert prompt == Prompt(
        (
            Message("system", (Text("You plan trips."),)),
            Message("user", asked),
            Message("assistant", called),
            Message("user", answered),
        ),
        (ToolSpec("get_weather", "Tells the weather.", schema),),
        ToolChoice("one", "get_weather"),
        output=OutputShape({"type": "object"}),
        max_tokens=1024, temperature=0.5, top_p=0.9, top_k=40, stop=("END",), seed=7,
        presence_penalty=0.1, frequency_penalty=0.2, logprobs=True, top_logprobs=3,
        effort="high", wants_thoughts=True, wants_usage=True,
        hints={"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
    )  # fmt: skip


def test_snake_case_says_the_same_as_camel_case() -> None:
    """The API takes both spellings, at every level."""
    camel = read(
        systemInstruction={"parts": [{"text": "Be brief."}]},
        generationConfig={"topP": 0.5, "thinkingConfig": {"includeThoughts": True}},
        toolConfig={"functionCallingConfig": {"mode": "NONE"}},
    )
    snake = read(
        system_instruction={"parts": {"text": "Be brief."}},
        generation_config={"top_p": 0.5, "thinking_config": {"include_thoughts": True}},
        tool_config={"function_calling_config": {"mode": "none"}},
    )
    assert camel == snake


def test_base64_for_urls_becomes_the_usual_one() -> None:
    """Google's SDK writes - and _ where other providers read + and /."""
    (message,) = said({"inlineData": {"mimeType": "image/png", "data": "-_-_"}}).messages
    assert message.parts == (Media("image", "image/png", "+/+/"),)


def test_a_uri_that_only_google_opens_is_a_file_id() -> None:
    """A file of its Files API is of no use to another provider; one on the web is."""
    own = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    (message,) = said(
        {"fileData": {"mimeType": "application/pdf", "fileUri": own}},
        {"fileData": {"fileUri": "https://example.com/cat.png"}},
        {"fileData": {"fileUri": "https://youtu.be/abc"}},
    ).messages
    assert message.parts == (
        Media("file", "application/pdf", file_id=own),
        Media("image", url="https://example.com/cat.png"),
        Media("video", url="https://youtu.be/abc"),
    )


def test_a_signature_stands_behind_the_text_that_carried_it() -> None:
    """Texts cannot hold one, so it is a thought of its own."""
    (message,) = said({"text": "Yes.", "thoughtSignature": "c2ln"}, role="model").messages
    assert message.parts == (Text("Yes."), Reasoning(signature="c2ln", signed_by="gemini"))


def test_the_placeholder_signs_nothing() -> None:
    """A call that another model made comes back with what this gateway put there."""
    call = {"name": "f", "args": {}}
    (message,) = said(
        {"functionCall": call, "thoughtSignature": "skip_thought_signature_validator"}, role="model"
    ).messages
    assert message.parts == (ToolCall("call_0", "f", "{}"),)


def test_calls_of_one_name_are_answered_in_their_order() -> None:
    """Where a client sends no ids, the first open call of that name is the one that is answered."""
    call = {"functionCall": {"name": "f"}}
    answer = {"functionResponse": {"name": "f", "response": {"result": {"a": 1}}}}
    turns = [{"role": "model", "parts": [call, call]}, {"role": "user", "parts": [answer, answer]}]
    (_, answered) = CLIENT.prompt({"contents": turns}).messages
    assert answered.parts == (
        ToolResult("call_0", (Text('{"a":1}'),), "f"),
        ToolResult("call_1", (Text('{"a":1}'),), "f"),
    )


def test_an_image_in_a_functions_answer_is_part_of_it() -> None:
    """Gemini 3 takes media inside a function's response."""
    image = {"inlineData": {"mimeType": "image/png", "data": "aaaa"}}
    response = {"id": "a", "name": "f", "response": {"x": 1}, "parts": [image]}
    (message,) = said({"functionResponse": response}).messages
    assert message.parts == (ToolResult("a", (Text('{"x":1}'), Media("image", "image/png", "aaaa")), "f"),)


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({"thinkingConfig": {"thinkingBudget": 0}}, "effort", "none"),
        ({"thinkingConfig": {"thinkingBudget": -1}}, "effort", "medium"),
        ({"thinkingConfig": {"thinkingBudget": 500}}, "thinking_budget", 500),
        ({"thinkingConfig": {"thinkingLevel": "minimal"}}, "effort", "minimal"),
        ({"responseMimeType": "application/json"}, "output", OutputShape()),
        ({"responseMimeType": "text/plain"}, "output", None),
        ({"responseSchema": {"type": "STRING"}}, "output", OutputShape({"type": "string"})),
        ({"candidateCount": 1}, "extras", {}),
        ({"candidateCount": 2}, "extras", {"generationConfig.candidateCount": 2}),
        ({"responseMimeType": "text/x.enum"}, "extras", {"generationConfig.responseMimeType": "text/x.enum"}),
    ],
)
def test_generation_settings_are_fields_or_extras(config: dict[str, Any], field: str, value: Any) -> None:
    """What no field stands for is named where it stood."""
    assert getattr(read(generationConfig=config), field) == value


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice("one", "f")),
        ({"mode": "MODE_UNSPECIFIED"}, None),
    ],
)
def test_the_choice_of_functions_is_read(calling: dict[str, Any], choice: ToolChoice | None) -> None:
    """By mode, and by the one name that is allowed."""
    assert read(toolConfig={"functionCallingConfig": calling}).tool_choice == choice


def test_a_choice_of_some_functions_is_an_extra() -> None:
    """No field says that some may be called and others not."""
    prompt = read(toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}})
    assert prompt.extras == {"toolConfig.functionCallingConfig.allowedFunctionNames": ["f", "g"]}


def test_validated_calls_are_strict_functions() -> None:
    """The mode is one for all functions, strictness belongs to each."""
    prompt = read(
        tools=[{"functionDeclarations": [{"name": "f"}]}], toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}}
    )
    assert (prompt.tools, prompt.tool_choice) == ((ToolSpec("f", strict=True),), ToolChoice("auto"))


def test_googles_own_tools_and_parts_are_extras() -> None:
    """They are refused by name where another format would have to carry them."""
    prompt = CLIENT.prompt({
        "contents": [{"parts": [{"text": "a", "partMetadata": {}}, {"executableCode": {"code": "1"}}]}],
        "tools": [{"googleSearch": {}}],
        "cachedContent": "cachedContents/1",
        "labels": {"team": "a"},
    })  # fmt: skip
    assert prompt.hints == {"metadata": {"team": "a"}}
    assert prompt.extras == {
        "contents.parts.partMetadata": {},
        "contents.parts.executableCode": {"code": "1"},
        "tools.googleSearch": {},
        "cachedContent": "cachedContents/1",
    }


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"contents": []}, "contents"),
        ({"contents": [1]}, "contents[0]"),
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"functionCall": {"name": "f"}}]}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]}, "contents[0].parts[0].functionResponse"),
        ({"systemInstruction": "Be brief."}, "systemInstruction"),
        ({"generationConfig": {"topP": "a"}}, "generationConfig.topP"),
        ({"generationConfig": {"seed": 0.5}}, "generationConfig.seed"),
        ({"generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences"),
        ({"generationConfig": {"thinkingConfig": 1}}, "generationConfig.thinkingConfig"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "toolConfig.functionCallingConfig.mode"),
    ],
)  # fmt: skip
def test_an_ill_typed_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    """The error says which field is wrong."""
    with pytest.raises(CallerError) as refused:
        read(**members)
    assert refused.value.param == param


def test_schemas_are_read_to_the_bottom() -> None:
    """Google's subset of OpenAPI as the JSON schema that it stands for."""
    google = {
        "type": "OBJECT",
        "propertyOrdering": ["a"],
        "properties": {
            "a": {"type": "ARRAY", "min_items": "2", "items": {"type": "INTEGER"}},
            "b": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": True},
            "c": {"type": "STRING", "enum": ["x"], "nullable": True},
        },
    }
    prompt = read(tools=[{"functionDeclarations": [{"name": "f", "parameters": google}]}])
    assert prompt.tools[0].schema == {
        "type": "object",
        "properties": {
            "a": {"type": "array", "minItems": 2, "items": {"type": "integer"}},
            "b": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
            "c": {"type": ["string", "null"], "enum": ["x", None]},
        },
    }


def test_a_bottomless_schema_is_refused() -> None:
    """Nesting costs a frame a level, so there is an end to it."""
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(5000):
        schema = {"items": schema}
    with pytest.raises(CallerError):
        read(generationConfig={"responseSchema": schema})


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_hostile_requests_raise_nothing_but_caller_errors(contents: Any, tools: Any, config: Any, choice: Any) -> None:
    """Whatever JSON a client sends."""
    values = {"contents": contents, "tools": tools, "generationConfig": config, "toolConfig": choice}
    CLIENT.opening(values)
    for members in (values, {**HELLO, "tools": tools}, {**HELLO, "generationConfig": config}, {"contents": contents}):
        try:
            CLIENT.prompt(members)
        except CallerError as error:
            assert error.message


@given(st.dictionaries(NAMES | st.text(max_size=5), HOSTILE, max_size=6))
def test_hostile_contents_raise_nothing_but_caller_errors(part: dict[str, Any]) -> None:
    """Where the contents are contents, and one part is anything."""
    try:
        said(part)
    except CallerError as error:
        assert error.message


def test_the_opening_is_the_first_thing_the_user_says() -> None:
    """It tells conversations apart, so pictures alone count too."""
    model = {"role": "model", "parts": [{"text": "Hi"}]}
    assert CLIENT.opening({"contents": [model, {"parts": [{"text": "a"}, {"text": "b"}]}]}) == "a\nb"
    assert CLIENT.opening({"contents": [{"role": "user", "parts": [{"fileData": 1}]}]}) == '[{"fileData":1}]'
    assert CLIENT.opening({"contents": [model]}) == ""


def test_a_result_with_an_id_that_no_call_has() -> None:
    """Gemini CLI gives results ids of its own: each is matched by its name, with the first call that is open."""
    calls = [{"functionCall": {"id": id_, "name": name}} for id_, name in (("a", "f"), ("b", "g"), ("c", "f"))]
    results = [
        {"functionResponse": {"id": id_, "name": name, "response": {"output": "x"}}}
        for id_, name in (("f-1", "f"), ("c", "f"), ("g-1", "g"), ("c", "f"), ("late", "h"))
    ]
    body = {"contents": [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]}
    parts = CLIENT.prompt(body).messages[1].parts
    assert [part.call_id for part in parts if isinstance(part, ToolResult)] == ["a", "c", "b", "c", "late"]


def test_what_says_nothing_is_left_out() -> None:
    """Google's SDKs and LangChain send members at their neutral values; a tier is a hint."""
    function = {"name": "f", "behavior": "BLOCKING", "responseJsonSchema": {"type": "string"}}
    body = {**HELLO, "safetySettings": [], "serviceTier": "flex", "tools": [{"functionDeclarations": [function]}]}
    asked = CLIENT.prompt(body)
    assert (asked.extras, asked.hints) == ({}, {"service_tier": "flex"})
    assert CLIENT.prompt({**body, "safetySettings": [{"category": "c"}]}).extras
    off = [{"category": "c", "threshold": "OFF"}, {"category": "d", "threshold": "BLOCK_NONE"}]
    assert not CLIENT.prompt({**body, "safetySettings": off}).extras
    assert CLIENT.prompt({**body, "safetySettings": [*off, {"threshold": "BLOCK_ONLY_HIGH"}]}).extras
