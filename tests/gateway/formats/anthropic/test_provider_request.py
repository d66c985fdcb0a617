"""Requests to a provider of the Messages API, literally."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.claude.tooling import OUTPUT_TOOL
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

OLDER, NEWER, FOREIGN = "claude-sonnet-4-5", "claude-opus-5", "glm-5"
HI = Message("user", (Text("Hi"),))
ASKED = Prompt((HI,), max_tokens=4096)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOL = ToolSpec("f", "Does.", SCHEMA)
CALL = ToolCall("toolu_1", "f", '{"a":1}')
EPHEMERAL = {"type": "ephemeral"}


def body(prompt: Prompt = ASKED, model: str = OLDER, **fields: Any) -> dict[str, Any]:
    return dict(PROVIDER.write(replace(prompt, **fields), model).body)


def turns(*messages: Message, model: str = OLDER) -> list[Any]:
    """Role and content of each turn."""
    return [(turn["role"], turn["content"]) for turn in body(Prompt(messages), model)["messages"]]


def user(*parts: Part) -> Any:
    """The content of the one turn that holds those parts."""
    return turns(Message("user", parts))[0][1]


def refused(prompt: Prompt = ASKED, model: str = OLDER, **fields: Any) -> str | None:
    """The field that is refused by name."""
    with pytest.raises(Untranslatable) as caught:
        body(prompt, model, **fields)
    return caught.value.param


def text(said: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **members}


def test_the_smallest_request() -> None:
    """A limit is always sent: the API insists on one. Nothing else is said that was not asked."""
    written = PROVIDER.write(Prompt((HI,)), OLDER)
    assert (written.path, PROVIDER.path(OLDER, True)) == ("/messages", "/messages")
    assert written.body == {
        "model": OLDER,
        "max_tokens": 16384,
        "messages": [{"role": "user", "content": [text("Hi")]}],
    }


def test_the_default_limit_is_the_models() -> None:
    """Old models refuse more than 4,096 tokens, and what others serve under this format often more than 8,192."""
    assert body(Prompt((HI,)), "claude-3-haiku-20240307")["max_tokens"] == 4096
    assert body(Prompt((HI,)), FOREIGN)["max_tokens"] == 8192
    assert refused(max_tokens=0) == "max_tokens"


def test_leading_system_messages_are_the_system_prompt() -> None:
    """Each is a block of its own, with its mark for the cache."""
    system = Message("system", (Text("Be kind.", cache=True),)), Message("system", (Text("Be brief."),))
    assert body(Prompt((*system, HI)))["system"] == [text("Be kind.", cache_control=EPHEMERAL), text("Be brief.")]


def test_system_messages_alone_are_asked() -> None:
    """The API needs a turn: with nothing else to say the last system message is it."""
    alone = body(Prompt((Message("system", (Text("Be kind."),)), Message("system", (Text("Say hi."),)))))
    assert (alone["system"], alone["messages"]) == (
        [text("Be kind.")],
        [{"role": "user", "content": [text("Say hi.")]}],
    )


def test_a_later_system_message() -> None:
    """New models take it in its place, behind a user's turn; others get it in tags from the user."""
    later = Message("system", (Text("Be brief."),))
    assert turns(HI, later, model=NEWER) == [("user", [text("Hi")]), ("system", [text("Be brief.")])]
    emulated = text("<system>\nBe brief.\n</system>")
    assert turns(HI, later) == [("user", [text("Hi"), emulated])]
    assert turns(HI, later, HI, model=NEWER) == [("user", [text("Hi"), emulated, text("Hi")])]


def test_turns_alternate_and_results_come_first() -> None:
    """Adjacent messages are one turn; the API wants what functions answered before all else."""
    results = Message("user", (ToolResult("toolu_1", (Text("1"),)),))
    assert turns(HI, HI, Message("assistant", (CALL,)), HI, results) == [
        ("user", [text("Hi"), text("Hi")]),
        ("assistant", [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}]),
        ("user", [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("1")]}, text("Hi")]),
    ]


def test_the_user_comes_first_and_a_last_word_has_no_trailing_space() -> None:
    """The API refuses both otherwise."""
    (opening, _), said = turns(Message("assistant", (Text("So: \n"),)))
    assert (opening, said) == ("user", ("assistant", [text("So:")]))


def test_newer_models_do_not_continue_an_assistants_message() -> None:
    """They refuse what ends in one."""
    assert refused(Prompt((HI, Message("assistant", (Text("So:"),)))), NEWER) == "messages"


def test_empty_texts_are_left_out() -> None:
    """The API refuses them; a request of nothing else is refused here."""
    assert user(Text(" "), Text("x")) == [text("x")]
    assert refused(Prompt((Message("user", (Text(""),)),))) == "messages"


def test_images_and_files() -> None:
    """By base64, by URL and by Anthropic's own ids; text files as text."""
    assert user(
        Media("image", mime="image/png", data="aGk=", detail="low"),
        Media("image", url="https://example.com/a.png", cache=True),
        Media("file", mime="application/pdf", data="aGk=", name="a.pdf"),
        Media("file", mime="text/csv", data="w6k="),
        Media("file", file_id="file_01"),
        Media("file", mime="image/png", data="aGk="),
    ) == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {
            "type": "image",
            "source": {"type": "url", "url": "https://example.com/a.png"},
            "cache_control": EPHEMERAL,
        },
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_01"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
    ]


@pytest.mark.parametrize(
    "part",
    [
        Media("audio", mime="audio/wav", data="aGk="),
        Media("video", url="https://example.com/a.mp4"),
        Media("image", mime="image/tiff", data="aGk="),
        Media("file", mime="application/zip", data="aGk="),
        Media("file", mime="text/plain", data="?"),
        Media("file", file_id="file-abc"),
        Media("image", url="data:image/png;base64,aGk="),
        Media("file", url="gs://bucket/a.pdf"),
        CALL,
    ],
)
def test_what_no_turn_of_a_user_can_hold_is_refused(part: Part) -> None:
    """By the name of the field, before anything is sent."""
    assert refused(Prompt((Message("user", (part,)),))) == "messages"


def test_an_assistants_words_and_signed_thoughts() -> None:
    """Thoughts that this API signed go back; unsigned ones and other providers' are left out."""
    said = Message(
        "assistant",
        (
            Reasoning("hm", "sig", signed_by="anthropic"),
            Reasoning(encrypted="xx", signed_by="anthropic"),
            Reasoning("plain"),
            Reasoning(encrypted="yy", signed_by="openai-responses"),
            Refusal("No."),
        ),
    )
    assert turns(HI, said)[1][1] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xx"},
        text("No."),
    ]


def test_tool_results_of_all_kinds() -> None:
    """Images too, and that the call has failed; ids with letters that the API refuses stay apart from one another."""
    image = Media("image", url="https://example.com/a.png")
    asked = Message("assistant", (ToolCall("f:0", "f", ""), ToolCall("f.0", "f", "{}")))
    answers = ToolResult("f:0", (image,), is_error=True, cache=True), ToolResult("f.0", ())
    calls, (first, second) = (content for _, content in turns(HI, asked, Message("user", answers))[1:])
    assert [call["id"] for call in calls] == [first["tool_use_id"], second["tool_use_id"]]
    assert first["tool_use_id"] != second["tool_use_id"] and first["tool_use_id"].startswith("f_0_")
    assert first["content"] == [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]
    assert (first["is_error"], first["cache_control"], "content" in second) == (True, EPHEMERAL, False)


def test_a_participants_name_is_said_before_the_text() -> None:
    """There is no member for it."""
    assert turns(Message("user", (Text("Hi"),), name="ada")) == [("user", [text("ada: Hi")])]


@pytest.mark.parametrize("arguments", ["[1]", '{"a":', "NaN", "[" * 100_000])
def test_calls_whose_arguments_are_no_object_are_refused(arguments: str) -> None:
    """The API takes an object, not a text."""
    assert refused(Prompt((HI, Message("assistant", (ToolCall("1", "f", arguments),))))) == "messages"


def test_functions() -> None:
    """A schema is always sent, closed where the model is to be held to it."""
    specs = TOOL, ToolSpec("g"), ToolSpec("h", schema=SCHEMA, strict=True, cache=True)
    assert body(tools=specs)["tools"] == [
        {"name": "f", "description": "Does.", "input_schema": SCHEMA},
        {"name": "g", "input_schema": {"type": "object"}},
        {"name": "h", "input_schema": CLOSED, "strict": True, "cache_control": EPHEMERAL},
    ]
    assert "strict" not in body(tools=specs, model=FOREIGN)["tools"][2]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), True, {"type": "auto"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("one", "f"), None, {"type": "tool", "name": "f"}),
    ],
)
def test_how_functions_may_be_called(
    choice: ToolChoice | None, parallel: bool | None, written: dict[str, Any] | None
) -> None:
    """The choice and whether calls may be parallel are one member here."""
    assert body(tools=(TOOL,), tool_choice=choice, parallel_tools=parallel).get("tool_choice") == written


def test_a_choice_without_functions() -> None:
    """Insisting on a call is refused; all else goes without saying."""
    assert "tool_choice" not in body(tool_choice=ToolChoice("auto"), parallel_tools=False)
    assert refused(tool_choice=ToolChoice("required")) == "tool_choice"


def test_calls_of_the_past_need_their_functions() -> None:
    """The API wants functions named that were called; without any in the request none may be called again."""
    written = body(Prompt((HI, Message("assistant", (CALL,)), Message("user", (ToolResult("toolu_1", ()),)))))
    assert written["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert written["tool_choice"] == {"type": "none"}


def test_an_output_schema_that_the_model_can_be_held_to() -> None:
    """Objects are closed: what satisfies a closed object satisfies the open one."""
    assert body(output=OutputShape(SCHEMA))["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}}


@pytest.mark.parametrize(
    ("output", "model"),
    [
        (OutputShape(), OLDER),
        (OutputShape(SCHEMA), "claude-opus-4-1"),
        (OutputShape({"type": "object", "additionalProperties": {"type": "string"}}), OLDER),
        (OutputShape({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}), OLDER),
    ],
)
def test_other_outputs_are_the_input_of_a_forced_function(output: OutputShape, model: str) -> None:
    """JSON without a schema, schemas that the API refuses, and models that cannot be held to one."""
    written = body(output=output, model=model)
    assert [tool["name"] for tool in written["tools"]] == [OUTPUT_TOOL]
    assert written["tools"][0]["input_schema"] == (output.schema or {"type": "object"})
    assert written["tool_choice"] == {"type": "tool", "name": OUTPUT_TOOL, "disable_parallel_tool_use": True}


def test_a_forced_function_beside_the_clients_own() -> None:
    """The model calls one of the client's or answers; where it must call, no text needs a shape."""
    written = body(output=OutputShape(), tools=(TOOL,))
    assert [tool["name"] for tool in written["tools"]] == ["f", OUTPUT_TOOL]
    assert written["tool_choice"] == {"type": "any"}
    assert body(output=OutputShape(), tools=(TOOL,), tool_choice=ToolChoice("required"))["tools"][1:] == []
    assert refused(output=OutputShape({"type": "array", "minItems": 5})) == "response_format"


def test_effort_is_said_to_models_of_today() -> None:
    """They decide themselves how long they think, and how much of it is shown."""
    written = body(effort="minimal", model=NEWER, wants_thoughts=True)
    assert (written["thinking"], written["output_config"]) == (
        {"type": "adaptive", "display": "summarized"},
        {"effort": "low"},
    )
    assert body(effort="xhigh", model=NEWER)["output_config"] == {"effort": "xhigh"}
    assert body(effort="xhigh", model="claude-opus-4-6")["output_config"] == {"effort": "max"}
    assert body(thinking_budget=5000, model=NEWER)["output_config"] == {"effort": "medium"}
    assert body(thinking_budget=-1, model=NEWER)["output_config"] == {"effort": "high"}


def test_a_model_that_must_call_is_told_its_effort_alone() -> None:
    """The API does not take `thinking` beside a forced call."""
    written = body(effort="high", model=NEWER, tools=(TOOL,), tool_choice=ToolChoice("one", "f"))
    assert ("thinking" in written, written["output_config"]) == (False, {"effort": "high"})


def test_effort_is_a_budget_for_older_models() -> None:
    """It must leave room for the answer, and adds to a default limit."""
    assert body(effort="low")["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert body(effort="high")["thinking"] == {"type": "enabled", "budget_tokens": 3276}
    written = body(Prompt((HI,)), effort="high", wants_thoughts=False)
    assert written["thinking"] == {"type": "enabled", "budget_tokens": 16384, "display": "omitted"}
    assert written["max_tokens"] == 32768
    assert body(thinking_budget=3000)["thinking"]["budget_tokens"] == 3000
    assert refused(effort="low", max_tokens=1024) == "max_tokens"


def test_not_thinking() -> None:
    """Said to models that would think unasked; some always do, and some never."""
    assert body(effort="none", model=NEWER)["thinking"] == {"type": "disabled"}
    assert body(thinking_budget=0)["thinking"] == {"type": "disabled"}
    assert "thinking" not in body(effort="none", model="claude-3-5-haiku-20241022")
    assert refused(effort="none", model="claude-fable-5") == "reasoning_effort"
    assert refused(effort="low", model="claude-3-5-haiku-20241022") == "reasoning_effort"


def test_thoughts_are_shown_of_models_that_think_unasked() -> None:
    """To others, wanting to see them is no order to think."""
    assert body(wants_thoughts=True, model=NEWER)["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert "thinking" not in body(wants_thoughts=True)


def test_no_budget_while_calls_are_answered_that_another_made() -> None:
    """The API wants a thought of its own before the calls; with one there it thinks on."""
    answered = Message("user", (ToolResult("toolu_1", (Text("1"),)),))
    foreign = Prompt((HI, Message("assistant", (CALL,)), answered), (TOOL,), effort="low")
    thought = Reasoning("hm", "sig", signed_by="anthropic")
    own = replace(foreign, messages=(HI, Message("assistant", (thought, CALL)), answered))
    assert ("thinking" in body(foreign), "thinking" in body(own)) == (False, True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": (TOOL,), "tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"output": OutputShape()}, "response_format"),
        ({"temperature": 0.5}, "temperature"),
        ({"top_k": 5}, "top_k"),
        ({"top_p": 0.5}, "top_p"),
    ],
)
def test_what_a_model_cannot_do_while_it_thinks_by_budget(fields: dict[str, Any], param: str) -> None:
    """The API refuses it; here the field has a name."""
    assert refused(effort="low", **fields) == param


def test_sampling() -> None:
    """What asks for the default is not said, so that models that take no sampling take it."""
    written = body(temperature=0.5, top_k=5, top_p=1, stop=("END",), stream=True)
    assert (written["temperature"], written["top_k"], written["stop_sequences"]) == (0.5, 5, ["END"])
    assert ("top_p" in written, written["stream"]) == (False, True)
    assert "temperature" not in body(temperature=1, model=NEWER)
    assert body(temperature=0.0)["temperature"] == 0.0


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"temperature": 1.5}, OLDER),
        ({"temperature": 0.5}, NEWER),
        ({"top_p": 0.5}, NEWER),
        ({"top_k": 5}, NEWER),
        ({"seed": 1}, OLDER),
        ({"presence_penalty": 0.5}, OLDER),
        ({"frequency_penalty": 0.5}, OLDER),
        ({"logprobs": True}, OLDER),
        ({"top_logprobs": 3}, OLDER),
        ({"stop": (" ",)}, OLDER),
        ({"extras": {"logit_bias": {"1": 2}}}, OLDER),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(fields: dict[str, Any], model: str) -> None:
    """Nothing is dropped silently."""
    assert refused(model=model, **fields) in {*fields, "logit_bias"}


def test_temperature_and_top_p_exclude_each_other() -> None:
    """On models from Claude 4.1 on; older ones take both."""
    assert refused(temperature=0.5, top_p=0.5) == "top_p"
    assert body(temperature=0.5, top_p=0.5, model="claude-3-5-haiku-20241022")["top_p"] == 0.5


def test_who_asks_is_metadata() -> None:
    """The id of a user has a place; other hints are left out."""
    assert body(hints={"user": "u", "store": True})["metadata"] == {"user_id": "u"}
    assert body(hints={"user": "u", "safety_identifier": "s"})["metadata"] == {"user_id": "s"}
    assert "metadata" not in body(hints={"user": 7})
