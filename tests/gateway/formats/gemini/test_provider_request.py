"""A prompt as a generateContent request, literally."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gateway.formats.gemini.client import CLIENT
from gateway.formats.gemini.provider import PROVIDER
from gateway.formats.prompt import (
    Effort,
    Media,
    Message,
    OutputShape,
    Part,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Untranslatable,
)
from gateway.json_body import encode
from tests.gateway.formats.gemini.recordings import recorded
from tests.gateway.formats.prompts import prompts

MODEL = "gemini-3-pro"
OLD = "gemini-2.5-flash"
UNSIGNED = "skip_thought_signature_validator"
HELLO = Message("user", (Text("Hello"),))
TOOL = ToolSpec("f", "Does it.", {"$schema": "x", "type": "object"})
IMAGE = Media("image", "image/png", "aaaa")


def body(prompt: Prompt, model: str = MODEL) -> dict[str, Any]:
    return dict(PROVIDER.write(prompt, model).body)


def contents(*messages: Message, model: str = MODEL) -> Any:
    return body(Prompt(messages), model)["contents"]


def config(model: str = MODEL, **fields: Any) -> Any:
    return body(replace(Prompt((HELLO,)), **fields), model).get("generationConfig")


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-3-pro", False, "/models/gemini-3-pro:generateContent"),
        ("gemini-3-pro", True, "/models/gemini-3-pro:streamGenerateContent?alt=sse"),
        ("tunedModels/mine", False, "/tunedModels/mine:generateContent"),
        ("a?b", False, "/models/a%3Fb:generateContent"),
    ],
)
def test_the_path_names_the_model_and_whether_to_stream(model: str, stream: bool, path: str) -> None:
    """The body has neither."""
    written = PROVIDER.write(Prompt((HELLO,), stream=stream), model)
    assert written.path == PROVIDER.path(model, stream) == path
    assert written.body == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_a_documented_request_survives_both_ways() -> None:
    """What Gemini said, Gemini hears again: ids, signatures, its own members."""
    request = recorded("request.json")
    written = body(CLIENT.prompt(request))
    (text, image) = request["contents"][0]["parts"]
    assert written["contents"][0] == {"role": "user", "parts": [text, image]}
    assert written["contents"][1]["parts"] == [
        {
            "functionCall": {"id": "fc-1", "name": "get_weather", "args": {"city": "Paris"}},
            "thoughtSignature": "c2lnbmVk",
        },
        {"functionCall": {"id": "call_1", "name": "get_weather", "args": {"city": "London"}}},
    ]
    assert written["contents"][2]["parts"] == [
        {"functionResponse": {"id": "fc-1", "name": "get_weather", "response": {"output": "rain"}}},
        {"functionResponse": {"id": "call_1", "name": "get_weather", "response": {"error": "no such city"}}},
    ]
    assert written["systemInstruction"] == request["systemInstruction"]
    assert written["generationConfig"] == request["generationConfig"]
    assert written["safetySettings"] == request["safetySettings"]
    assert written["toolConfig"] == request["toolConfig"]


def test_leading_system_messages_instruct_and_later_ones_stand_in_the_turn() -> None:
    """Gemini has one place for instructions, before everything else."""
    system = Message("system", (Text("A"),))
    written = body(Prompt((system, Message("system", (Text("B"),)), HELLO, Message("system", (Text("C"),)))))
    assert written["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert written["contents"] == [
        {"role": "user", "parts": [{"text": "Hello"}, {"text": "<system>\nC\n</system>"}]},
    ]


def test_an_instruction_alone_is_what_the_user_says() -> None:
    """Gemini refuses a request without contents."""
    written = body(Prompt((Message("system", (Text("A"),)),)))
    assert written == {"contents": [{"role": "user", "parts": [{"text": "A"}]}]}


def test_turns_of_one_role_merge_and_empty_texts_go() -> None:
    """Gemini takes turns, and refuses an empty text."""
    written = contents(HELLO, Message("assistant", (Text(""),)), Message("user", (Text(""), Text("there"))))
    assert written == [{"role": "user", "parts": [{"text": "Hello"}, {"text": "there"}]}]


def test_the_name_of_a_participant_stands_before_what_they_say() -> None:
    """Gemini knows no names."""
    assert contents(Message("user", (Text("Hi"),), "ann")) == [{"role": "user", "parts": [{"text": "ann: Hi"}]}]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (IMAGE, {"inlineData": {"mimeType": "image/png", "data": "aaaa"}}),
        (Media("image", data="/9j/4AAQ"), {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/4AAQ"}}),
        (Media("file", data="aaaa", name="a.csv"), {"inlineData": {"mimeType": "text/csv", "data": "aaaa"}}),
        (Media("audio", "audio/wav", "aaaa"), {"inlineData": {"mimeType": "audio/wav", "data": "aaaa"}}),
        (
            Media("image", url="https://a.org/b.png?c"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://a.org/b.png?c"}},
        ),
        (Media("image", url="https://a.org/b"), {"fileData": {"fileUri": "https://a.org/b"}}),
        (Media("video", "video/mp4", file_id="files/a"), {"fileData": {"mimeType": "video/mp4", "fileUri": "files/a"}}),
    ],
)
def test_media_go_inside_or_by_where_they_lie(media: Media, part: dict[str, Any]) -> None:
    """The media type is found in the name or the data where nobody says it."""
    assert contents(Message("user", (media,)))[0]["parts"] == [part]


def test_a_call_of_another_model_gets_the_documented_placeholder() -> None:
    """Gemini 3 refuses a turn whose first call is unsigned; older models do not care."""
    called = Message("assistant", (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", "")))
    first, second = {"id": "a", "name": "f", "args": {"x": 1}}, {"id": "b", "name": "f", "args": {}}
    written = contents(HELLO, called)[1]["parts"]
    assert written == [{"functionCall": first, "thoughtSignature": UNSIGNED}, {"functionCall": second}]
    assert contents(HELLO, called, model=OLD)[1]["parts"] == [{"functionCall": first}, {"functionCall": second}]


def test_arguments_that_are_no_object_go_as_text() -> None:
    """A model may have written nonsense; the conversation goes on all the same."""
    for arguments in ("{", "[1]", "[NaN]", '{"a":1e999}', "[" * 100_000):
        written = contents(HELLO, Message("assistant", (ToolCall("a", "f", arguments),)))
        assert written[1]["parts"][0]["functionCall"]["args"] == {"arguments": arguments}


def test_only_what_gemini_signed_goes_back() -> None:
    """A signature belongs to the part before it; thoughts of others and refusals' form have no place."""
    signed = Reasoning(signature="c2ln", signed_by="gemini")
    parts: tuple[Part, ...] = (
        Reasoning("hm", "x", signed_by="anthropic"),
        Reasoning("hm"),
        Reasoning("hm", "dGg=", signed_by="gemini"),
        Text("Yes."),
        signed,
        signed,
        Refusal("No."),
    )
    assert contents(HELLO, Message("assistant", parts))[1]["parts"] == [
        {"text": "hm", "thought": True, "thoughtSignature": "dGg="},
        {"text": "Yes.", "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "No."},
    ]


def test_a_result_bears_the_name_of_the_function_and_comes_first() -> None:
    """Other formats name the call alone; Gemini wants the response right behind the call."""
    called = Message("assistant", (ToolCall("a", "f", "{}"),))
    written = contents(HELLO, called, HELLO, Message("user", (ToolResult("a", (Text("1"), Text("2"))),)))
    assert written[2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "f", "response": {"output": "1\n2"}}},
        {"text": "Hello"},
    ]


def test_an_image_in_a_result_stands_inside_or_behind() -> None:
    """Gemini 3 sees images inside a response, older models only beside it; and never by URL."""
    there = Media("image", "image/png", url="https://a.org/b.png")
    result = Message("user", (ToolResult("a", (IMAGE, there), "f"),))
    inside, by_url = (
        {"inlineData": {"mimeType": "image/png", "data": "aaaa"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://a.org/b.png"}},
    )
    response = {"id": "a", "name": "f", "response": {"output": ""}}
    assert contents(result)[0]["parts"] == [{"functionResponse": {**response, "parts": [inside]}}, by_url]
    assert contents(result, model=OLD)[0]["parts"] == [{"functionResponse": response}, inside, by_url]


def test_functions_go_with_their_json_schema() -> None:
    """Without the mark of its dialect."""
    written = body(Prompt((HELLO,), (TOOL, ToolSpec("g"))))
    function = {"name": "f", "description": "Does it.", "parametersJsonSchema": {"type": "object"}}
    assert written["tools"] == [{"functionDeclarations": [function, {"name": "g"}]}]


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("one", "f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_choice_of_functions_is_a_mode(choice: ToolChoice, calling: dict[str, Any]) -> None:
    """And without functions nothing is said of them."""
    written = body(Prompt((HELLO,), (TOOL,), choice, parallel_tools=True))
    assert written["toolConfig"] == {"functionCallingConfig": calling}


def test_strict_functions_validate_the_calls() -> None:
    """Gemini has one switch for all of them."""
    written = body(Prompt((HELLO,), (replace(TOOL, strict=True),)))
    assert written["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5, "temperature": 0.0, "top_p": 1.0, "top_k": 3},
         {"maxOutputTokens": 5, "temperature": 0.0, "topP": 1.0, "topK": 3}),
        ({"stop": ("a", "b"), "seed": 1}, {"stopSequences": ["a", "b"], "seed": 1}),
        ({"presence_penalty": 0.5, "frequency_penalty": -0.5}, {"presencePenalty": 0.5, "frequencyPenalty": -0.5}),
        ({"logprobs": True, "top_logprobs": 2}, {"responseLogprobs": True, "logprobs": 2}),
        ({"output": OutputShape()}, {"responseMimeType": "application/json"}),
        ({"output": OutputShape({"$schema": "x", "type": "object"}, "n", "It.")},
         {"responseMimeType": "application/json", "responseJsonSchema": {"description": "It.", "type": "object"}}),
        ({"wants_thoughts": False}, {"thinkingConfig": {"includeThoughts": False}}),
        ({"hints": {"user": "a"}}, None),
        ({"extras": {"generationConfig.candidateCount": 2, "generationConfig.thinkingConfig.x": 1}},
         {"candidateCount": 2, "thinkingConfig": {"x": 1}}),
        ({"messages": (Message("user", (replace(IMAGE, detail="low"),)),)},
         {"mediaResolution": "MEDIA_RESOLUTION_LOW"}),
        ({"messages": (Message("user", (replace(IMAGE, detail="high"),)),)}, None),
    ],
)  # fmt: skip
def test_settings_have_their_names(fields: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """What the client left out is left out."""
    assert config(**fields) == expected


@pytest.mark.parametrize(
    ("effort", "level", "budget", "least"),
    [("none", "LOW", 0, 128), ("minimal", "LOW", 1024, 1024), ("low", "LOW", 1024, 1024),
     ("medium", "MEDIUM", 8192, 8192), ("high", "HIGH", 24576, 24576), ("xhigh", "HIGH", 24576, 24576)],
)  # fmt: skip
def test_an_effort_is_a_level_or_a_budget(effort: Effort, level: str, budget: int, least: int) -> None:
    """Models before Gemini 3 know budgets alone, and Pro models cannot be told not to think."""
    assert config(effort=effort) == {"thinkingConfig": {"thinkingLevel": level}}
    assert config(OLD, effort=effort) == {"thinkingConfig": {"thinkingBudget": budget}}
    assert config("gemini-2.5-pro", effort=effort) == {"thinkingConfig": {"thinkingBudget": least}}


def test_a_budget_goes_as_it_is() -> None:
    """Where a level is known beside it, Gemini 3 gets that: both at once are refused."""
    assert config(thinking_budget=500) == {"thinkingConfig": {"thinkingBudget": 500}}
    assert config(thinking_budget=500, effort="high") == {"thinkingConfig": {"thinkingLevel": "HIGH"}}
    assert config(OLD, thinking_budget=500, effort="high") == {"thinkingConfig": {"thinkingBudget": 500}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": tuple("abcdef")}, "stop"),
        ({"seed": 2**31}, "seed"),
        ({"tools": (TOOL,), "parallel_tools": False}, "parallel_tool_calls"),
        ({"tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"extras": {"n": 2}}, "n"),
        ({"extras": {"contents.parts.executableCode": {}}}, "contents.parts.executableCode"),
        ({"messages": (Message("user", (ToolResult("a", ()),)),)}, "messages"),
        ({"messages": (Message("user", (Media("file", file_id="file-1"),)),)}, "messages"),
        ({"messages": (Message("user", (Media("image", url="ftp://a.org/b"),)),)}, "messages"),
        ({"messages": (Message("user", (Media("file", data="aaaa"),)),)}, "messages"),
    ],
)
def test_what_gemini_cannot_say_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Untranslatable) as refused:
        config(**fields)
    assert refused.value.param == param


def test_older_models_take_a_schema_or_functions() -> None:
    """Both at once only Gemini 3 does."""
    prompt = Prompt((HELLO,), (TOOL,), output=OutputShape({"type": "object"}))
    assert body(prompt)["generationConfig"]["responseJsonSchema"] == {"type": "object"}
    with pytest.raises(Untranslatable) as refused:
        body(prompt, OLD)
    assert refused.value.param == "response_format"


def test_googles_own_tools_go_back_where_they_stood() -> None:
    """The extras of a client of this format."""
    written = body(Prompt((HELLO,), (TOOL,), extras={"tools.googleSearch": {}, "toolConfig.retrievalConfig": {"a": 1}}))
    assert written["tools"][1] == {"googleSearch": {}}
    assert written["toolConfig"] == {"retrievalConfig": {"a": 1}}


@given(prompts(sampling=True, structured=True, later_system=True))
def test_a_prompt_written_and_read_again_means_the_same(prompt: Prompt) -> None:
    """But for what Gemini has no place for: names of schemas and files, and who spoke twice in a row."""
    written = PROVIDER.write(prompt, MODEL)
    read = CLIENT.prompt(json.loads(encode(written.body)))
    assert _meaning(read.messages) == _meaning(prompt.messages)
    assert read.tools == prompt.tools
    assert read.tool_choice == (prompt.tool_choice if prompt.tools else None)
    for name in ("max_tokens", "temperature", "top_p", "stop"):
        assert getattr(read, name) == getattr(prompt, name)
    assert (read.output and read.output.schema) == (prompt.output and prompt.output.schema)
    assert not read.extras


def _meaning(messages: tuple[Message, ...]) -> list[tuple[str, Any]]:
    """Role and part by part, with results first in their turn, as one turn of a role after the other."""
    turns: list[tuple[str, list[Any]]] = []
    leading = True
    for message in messages:
        leading = leading and message.role == "system"
        role = "user" if message.role == "system" and not leading else message.role
        parts = [_plain(part, tagged=role != message.role) for part in message.parts]
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return [(role, sorted(parts, key=lambda part: not isinstance(part, ToolResult))) for role, parts in turns]


def _plain(part: Part, tagged: bool) -> Part:
    if isinstance(part, Text) and tagged:
        return Text(f"<system>\n{part.text}\n</system>")
    if isinstance(part, Media):
        return replace(part, name="", mime=part.mime or "image/png")
    if isinstance(part, ToolResult):
        return replace(part, parts=(Text("\n".join(each.text for each in part.parts if isinstance(each, Text))),))
    if isinstance(part, ToolCall):
        return replace(part, arguments=encode(json.loads(part.arguments)))
    return part
