from dataclasses import replace
from typing import Any

import pytest

from gateway.formats.openai_responses.provider import PROVIDER
from gateway.formats.prompt import (
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

CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
ASKED = Prompt((Message("user", (Text("Hi"),)),))
ENCRYPTED = {"include": ["reasoning.encrypted_content"]}
SAID = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}


def body(prompt: Prompt) -> dict[str, Any]:
    written = PROVIDER.write(prompt, "gpt-5")
    assert written.path == PROVIDER.path("gpt-5", prompt.stream) == "/responses"
    return dict(written.body)


def written(role: Any, *parts: Part, name: str = "") -> list[dict[str, Any]]:
    """The items of one more turn after the first."""
    items: list[dict[str, Any]] = body(Prompt((*ASKED.messages, Message(role, parts, name))))["input"]
    return items[1:]


def test_a_plain_prompt_is_not_stored() -> None:
    """What comes from clients of other formats cannot be read back there, so nothing is kept at the provider."""
    assert body(ASKED) == {"model": "gpt-5", "input": [SAID], "store": False}
    assert body(replace(ASKED, hints={"store": True}))["store"] is True


def test_the_first_system_message_is_the_instructions() -> None:
    """The others stay where they are, as items."""
    system, later = Message("system", (Text("A"), Text("B"))), Message("system", (Text("C"),))
    item = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "C"}]}
    asked = body(Prompt((system, later, *ASKED.messages, later)))
    assert (asked["instructions"], asked["input"]) == ("A\n\nB", [item, SAID, item])


def test_a_system_message_alone_is_input() -> None:
    """A request needs input."""
    asked = body(Prompt((Message("system", (Text("Hi"),)),)))
    assert "instructions" not in asked
    assert asked["input"] == [{**SAID, "role": "system"}]


def test_media_are_written_by_what_is_known_of_them() -> None:
    """Images and files go as data URLs, as URLs or as ids."""
    parts = (
        Media("image", "image/png", "AA=="),
        Media("image", data="/9j/AA=="),
        Media("image", url="https://e.com/a.png", detail="high"),
        Media("image", file_id="file-1"),
        Media("file", "application/pdf", "AA==", name="a.pdf"),
        Media("file", url="https://e.com/a.pdf"),
        Media("file", file_id="file-2"),
    )
    assert written("user", *parts)[0]["content"] == [
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/jpeg;base64,/9j/AA=="},
        {"type": "input_image", "detail": "high", "image_url": "https://e.com/a.png"},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "file_url": "https://e.com/a.pdf"},
        {"type": "input_file", "file_id": "file-2"},
    ]


def test_a_models_turn_is_written_as_items_in_order() -> None:
    """Signed reasoning of this format, words, a refusal and calls; empty text and others' reasoning are left out."""
    thought = Reasoning("T", encrypted="gAA", signed_by="openai-responses", id="rs_1")
    foreign = Reasoning("F", signature="s", signed_by="anthropic")
    assert written("assistant", thought, foreign, Text(""), Text("W"), Refusal("R"), ToolCall("c", "f", "")) == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "T"}],
            "encrypted_content": "gAA",
            "id": "rs_1",
        },
        {"role": "assistant", "content": "W"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "R"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (ToolResult("c", (Text("12"),)), "12"),
        (ToolResult("c", ()), ""),
        (ToolResult("c", (Text("no such city"),), is_error=True), "Error: no such city"),
        (
            ToolResult("c", (Media("image", file_id="file-1"),), is_error=True),
            [
                {"type": "input_text", "text": "Error:"},
                {"type": "input_image", "detail": "auto", "file_id": "file-1"},
            ],
        ),
        (
            ToolResult("c", (Text("see"), Media("image", url="https://e.com/a.png"))),
            [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "detail": "auto", "image_url": "https://e.com/a.png"},
            ],
        ),
    ],
)
def test_results_come_before_what_the_user_says(result: ToolResult, output: object) -> None:
    """A result is text or parts; that a function failed is said in words."""
    items = written("user", result, Text("Hi"))
    assert items == [{"type": "function_call_output", "call_id": "c", "output": output}, SAID]


def test_a_participants_name_stands_before_the_words() -> None:
    """There is no member for names."""
    assert written("user", Media("image", file_id="f"), Text("Hi"), name="Zoë")[0]["content"][1]["text"] == "Zoë: Hi"


def test_functions_are_strict_only_where_they_say_so() -> None:
    """This API makes functions strict by default, and no other does; only closed schemas can be."""
    tools = (ToolSpec("f"), ToolSpec("g", "G", CLOSED, strict=True), ToolSpec("h", schema={}, strict=True))
    asked = body(replace(ASKED, tools=tools, tool_choice=ToolChoice("one", "g"), parallel_tools=False))
    assert asked["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "function", "name": "g", "description": "G", "parameters": CLOSED, "strict": True},
        {"type": "function", "name": "h", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ({"type": "function", "name": "g"}, False)


@pytest.mark.parametrize(
    ("fields", "members"),
    [
        ({"max_tokens": 5}, {"max_output_tokens": 16}),
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
        ({"effort": "high", "thinking_budget": 1}, {"reasoning": {"effort": "high"}, **ENCRYPTED}),
        ({"thinking_budget": 0}, {"reasoning": {"effort": "none"}}),
        ({"thinking_budget": 2000}, {"reasoning": {"effort": "low"}, **ENCRYPTED}),
        ({"thinking_budget": 8000}, {"reasoning": {"effort": "medium"}, **ENCRYPTED}),
        (
            {"thinking_budget": 32000, "wants_thoughts": True},
            {"reasoning": {"effort": "high", "summary": "auto"}, **ENCRYPTED},
        ),
        ({"thinking_budget": -1, "presence_penalty": 0.0}, {}),
        ({"logprobs": True, "top_logprobs": 2}, {"include": ["message.output_text.logprobs"], "top_logprobs": 2}),
        ({"stream": True}, {"stream": True}),
        (
            {"output": OutputShape(CLOSED, strict=True), "extras": {"verbosity": "low"}},
            {
                "text": {
                    "format": {"type": "json_schema", "name": "answer", "schema": CLOSED, "strict": True},
                    "verbosity": "low",
                }
            },
        ),
        ({"hints": {"user": "u", "prediction": {}, "metadata": {"a": "b"}}}, {"user": "u", "metadata": {"a": "b"}}),
    ],
)
def test_parameters_are_written_under_their_names(fields: dict[str, Any], members: dict[str, Any]) -> None:
    """Each field has its member, in this API's own terms; hints that it does not know are left out."""
    asked = body(replace(ASKED, **fields))
    assert {name: asked[name] for name in asked.keys() - {"model", "input", "store"}} == members


def test_models_that_think_are_asked_for_what_they_want_back() -> None:
    """Others refuse to be: a turn that holds such reasoning, or an effort, tells that a model thinks."""
    thought = Reasoning(encrypted="gAA", signed_by="openai-responses")
    messages = (*ASKED.messages, Message("assistant", (thought, Text("W"))), *ASKED.messages)
    assert body(Prompt(messages))["include"] == ["reasoning.encrypted_content"]
    assert "include" not in body(replace(ASKED, effort="none"))


def test_any_json_is_asked_for_in_words_too() -> None:
    """OpenAI refuses `json_object` where no message speaks of JSON."""
    asked = body(replace(ASKED, output=OutputShape()))
    assert asked["text"] == {"format": {"type": "json_object"}}
    assert asked["input"][0]["content"][0]["text"] == "Answer with a JSON object."
    told = replace(ASKED, messages=(Message("user", (Text("As json, please"),)),), output=OutputShape())
    assert len(body(told)["input"]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": ("END",)},
        {"seed": 0},
        {"top_k": 5},
        {"presence_penalty": 0.5},
        {"frequency_penalty": -0.5},
        {"extras": {"logit_bias": {"1": 2}}},
    ],
)
def test_what_this_api_lacks_is_refused_by_name(fields: dict[str, Any]) -> None:
    """Nothing is dropped silently: the field is named, and the way out."""
    with pytest.raises(Untranslatable, match="leave it out") as error:
        body(replace(ASKED, **fields))
    assert error.value.param == next(iter(fields.get("extras", fields)))


@pytest.mark.parametrize(("role", "kind"), [("user", "audio"), ("user", "video"), ("assistant", "image")])
def test_media_without_a_place_are_refused(role: Any, kind: Any) -> None:
    """This API hears and watches nothing, and takes no image back from its own turn."""
    with pytest.raises(Untranslatable, match=kind) as error:
        written(role, Media(kind, "x/y", "AA=="))
    assert error.value.param == "messages"
