from typing import Any

import pytest

from gateway.errors import CallerError, NotFound
from gateway.formats.openai_responses.client import CLIENT
from gateway.formats.prompt import (
    Media,
    Message,
    OutputShape,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from tests.gateway.formats.openai_responses.recordings import request


def read(**members: Any) -> Prompt:
    return CLIENT.prompt({"model": "agent", "input": "Hi", **members})


def test_items_of_one_turn_become_one_message() -> None:
    """Reasoning, text and calls of a turn stand in one message, and the calls' results in the next."""
    messages = CLIENT.prompt(request()).messages
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "system", "user"]
    thought = "**Weather**\n\nThey ask for two cities.\n\nCall twice."
    own_id = "rs_6876cf02e0bc8192b74af0fb64b715ff06fa2fcced15a5ac"
    assert messages[2].parts == (
        Reasoning(thought, encrypted="gAAAAABofA==", signed_by="openai-responses", id=own_id),
        Text("Let me look."),
        ToolCall("call_unLAR8MvFNptuiZK6K6HCy5k", "get_weather", '{"city":"Paris"}'),
        ToolCall("call_GLhWBuKdzMNL6wOpc0RWXQTQ", "get_weather", '{"city":"Zürich"}'),
    )
    assert messages[3].parts == (
        ToolResult("call_unLAR8MvFNptuiZK6K6HCy5k", (Text("12 °C"),), "get_weather"),
        ToolResult(
            "call_GLhWBuKdzMNL6wOpc0RWXQTQ",
            (Text("see"), Media("image", url="https://example.com/z.png")),
            "get_weather",
        ),
    )


def test_content_keeps_media_and_cache_marks() -> None:
    """Images and files come with type and base64 data, and a cache breakpoint marks the part that ends a prefix."""
    assert CLIENT.prompt(request()).messages[1].parts == (
        Text("What is the weather here?", cache=True),
        Media("image", "image/png", "iVBORw0KGgo=", detail="low"),
        Media("file", "application/pdf", "JVBERi0=", name="a.pdf"),
    )


def test_parameters_become_fields() -> None:
    """What every format knows is a field of the prompt; what changes nothing is a hint."""
    prompt = CLIENT.prompt(request())
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert prompt.tools == (ToolSpec("get_weather", "Weather of a city.", schema, strict=True),)
    assert (prompt.tool_choice, prompt.parallel_tools) == (ToolChoice("auto"), True)
    assert (prompt.effort, prompt.wants_thoughts, prompt.max_tokens) == ("low", True, 500)
    assert (prompt.output, prompt.stream) == (OutputShape({"type": "object"}, "answer", strict=True), True)
    assert prompt.hints == {"store": False, "metadata": {"session_id": "s1"}}
    assert prompt.extras == {"verbosity": "low"}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"type": "refusal", "refusal": "No."}, Refusal("No.")),
        ({"type": "input_image", "file_id": "file-1"}, Media("image", file_id="file-1")),
        ({"type": "input_file", "file_url": "https://e.com/a.pdf"}, Media("file", url="https://e.com/a.pdf")),
        ({"type": "input_file", "file_data": "JVBERi0="}, Media("file", "application/pdf", "JVBERi0=")),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            Media("audio", "audio/wav", "AA=="),
        ),
    ],
)
def test_every_content_type_is_read(content: dict[str, Any], part: object) -> None:
    """Each kind of content part has its place in a prompt."""
    assert read(input=[{"role": "user", "content": [content]}]).messages == (Message("user", (part,)),)  # type: ignore[arg-type]


def test_logprobs_are_asked_for_by_include_or_by_count() -> None:
    """Either of the two ways to ask for log probabilities asks for them."""
    assert read(include=["message.output_text.logprobs"]).logprobs is True
    assert (read(top_logprobs=3).logprobs, read(top_logprobs=3).top_logprobs) == (True, 3)
    assert read(top_logprobs=0, include=["reasoning.encrypted_content"]).logprobs is None


def test_allowed_tools_are_the_only_ones() -> None:
    """A choice of allowed tools leaves out the others, which other formats can do nothing else with."""
    tools = [{"type": "function", "name": name} for name in ("a", "b")]
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]}
    prompt = read(tools=tools, tool_choice=choice)
    assert (prompt.tools, prompt.tool_choice) == ((ToolSpec("b"),), ToolChoice("required"))


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools.web_search"),
        ({"tools": [{"type": "mcp", "server_label": "s"}]}, "tools.mcp"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.file_search"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.item_reference"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input.web_search_call"),
        ({"previous_response_id": "resp_67c"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"input": [{"role": "user", "content": [{"type": "input_hologram"}]}]}, "input.content.input_hologram"),
        ({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "tools.defer_loading"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"effort": "max"}}, "reasoning_effort"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"frobnicate": 1}, "frobnicate"),
    ],
)
def test_what_lives_at_a_provider_is_an_extra(members: dict[str, Any], name: str) -> None:
    """State, tools that run at a provider and unknown members are kept by name, so that others can refuse them."""
    assert list(read(**members).extras) == [name]


@pytest.mark.parametrize("members", [{"truncation": "disabled"}, {"background": False}, {"conversation": None}])
def test_what_asks_for_nothing_is_no_extra(members: dict[str, Any]) -> None:
    """Defaults that are said aloud, and null, ask for nothing."""
    assert read(**members) == read()


def test_an_answer_of_ours_is_not_stored() -> None:
    """Going on from an answer that we wrote is refused with 404 and the way out, like a response that is gone."""
    with pytest.raises(NotFound, match="send the whole conversation") as error:
        read(previous_response_id="resp_serinus_call-1")
    assert (error.value.status, error.value.param) == (404, "previous_response_id")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "cat", "content": ""}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input[0].arguments"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,cat"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {
                "input": [
                    {"type": "function_call_output", "call_id": "c", "output": [{"type": "refusal", "refusal": ""}]}
                ]
            },
            "input[0].output",
        ),
        ({"instructions": []}, "instructions"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "some"}, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
    ],
)
def test_ill_typed_members_are_named(members: dict[str, Any], param: str) -> None:
    """The client hears which member is wrong."""
    with pytest.raises(CallerError) as error:
        read(**members)
    assert error.value.param == param


def test_an_image_of_another_formats_model_comes_back() -> None:
    """Clients give the item back that such an image came to them as; one without its data says nothing."""
    items: list[dict[str, Any]] = [{"type": "image_generation_call", "id": "ig_1", "result": "AA=="}]
    assert read(input=items).messages == (Message("assistant", (Media("image", "image/png", "AA=="),)),)
    assert read(input=[{"type": "image_generation_call", "id": "ig_1", "result": None}]).messages == ()


def test_sealed_reasoning_belongs_to_who_signed_it() -> None:
    """What another format's provider signed comes back from the client as it was; a broken seal holds nothing."""
    sealed = 'serinus:{"by":"anthropic","signature":"s1g"}'
    items = [{"type": "reasoning", "id": "rs_serinus_0_0", "summary": [], "encrypted_content": sealed}]
    assert read(input=items).messages[0].parts == (Reasoning(signature="s1g", signed_by="anthropic"),)
    items[0]["encrypted_content"] = "serinus:{broken"
    assert read(input=items).messages == ()


def test_a_sealed_signature_of_a_call_goes_back_to_the_call() -> None:
    """Gemini signs calls, which have no member for it here: the reasoning item before them carries it."""
    sealed = 'serinus:{"by":"gemini","signature":"s1g","call_id":"c1"}'
    items = [
        {"type": "reasoning", "summary": [], "encrypted_content": sealed},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    ]
    assert read(input=items).messages[0].parts == (ToolCall("c1", "f", "{}", signature="s1g", signed_by="gemini"),)


@pytest.mark.parametrize(
    ("value", "opening"),
    [
        ("Hi", "Hi"),
        (
            [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}, {"role": "user", "content": "Ho"}],
            "Hi",
        ),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], "Hi"),
        ([{"type": "item_reference", "id": "x"}, 3, None], ""),
        ([{"role": "user", "content": [{"type": "input_image", "file_id": "f"}, 3]}], ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_opening_is_the_first_user_text(value: object, opening: str) -> None:
    """A conversation is known by what its user said first; nothing there is no error."""
    assert CLIENT.opening({"input": value}) == opening
