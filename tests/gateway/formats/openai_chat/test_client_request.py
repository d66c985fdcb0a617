"""A client's chat completion as a prompt."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.errors import CallerError
from gateway.formats.openai_chat.client import CLIENT
from gateway.formats.prompt import (
    Media,
    Message,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Untranslatable,
)
from tests.gateway.formats.openai_chat.streams import recorded
from tests.gateway.formats.prompts import VALUES


def read(*messages: Any, **more: Any) -> Prompt:
    return CLIENT.prompt({"model": "support", "messages": list(messages), **more})


def asked(*content: Any) -> tuple[Any, ...]:
    return read({"role": "user", "content": list(content)}).messages[0].parts


def test_a_whole_request() -> None:
    """Every kind of message and part has its place; results that follow one another are one turn."""
    prompt = CLIENT.prompt(json.loads(recorded("request.json")))
    assert prompt.messages == (
        Message("system", (Text("Be kind."),)),
        Message(
            "user",
            (
                Text("What are these?", cache=True),
                Media("image", "image/png", "iVBO", detail="low"),
                Media("image", url="https://example.com/cat.png"),
                Media("audio", "audio/mpeg", "UklG"),
                Media("file", "application/pdf", "JVBE", name="a.pdf"),
                Media("file", file_id="file-1"),
            ),
            "ada",
        ),
        Message(
            "assistant",
            (
                Reasoning("Hm.", "EqQB", signed_by="anthropic"),
                ToolCall("call_a", "look", '{"at":1}', "Cs", "gemini"),
                ToolCall("call_b", "look", "{}"),
            ),
        ),
        Message(
            "user",
            (
                ToolResult("call_a", (Text("A cat."),), "look"),
                ToolResult("call_b", (Text("A"), Text(" dog.")), "look"),
            ),
        ),
        Message("user", (Text("Thanks."),)),
        Message("assistant", (Refusal("No."),)),
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Why?"),)),
    )


def test_parameters_of_a_request() -> None:
    """Fields, hints and extras are told apart."""
    prompt = CLIENT.prompt(json.loads(recorded("request.json")))
    assert (prompt.tools, prompt.parallel_tools) == ((ToolSpec("look", "Look.", {"type": "object"}),), False)
    assert (prompt.max_tokens, prompt.stream, prompt.wants_usage) == (100, True, True)
    assert (prompt.hints, prompt.extras) == ({"user": "u1", "metadata": {"a": "b"}}, {"verbosity": "low"})


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ({"reasoning": "Hm."}, Reasoning("Hm.")),
        (
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "S.", "id": "rs_1"},
                                   {"type": "reasoning.encrypted", "data": "E", "id": "rs_1",
                                    "format": "openai-responses-v1"}, 7]},
            Reasoning("S.", "", "E", "openai-responses", "rs_1"),
        ),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "format": "xai-responses-v1"}]},
         Reasoning(encrypted="E", signed_by="openai")),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, Refusal("No.")),
        ({"content": "a", "annotations": [{}], "provider_fields": {}}, Text("a")),
    ],
)  # fmt: skip
def test_what_an_assistant_said(message: dict[str, Any], part: Any) -> None:
    """Thoughts in every spelling; decorations of an answer that come back are left out."""
    prompt = read({"role": "assistant", **message})
    assert (prompt.messages[0].parts, prompt.extras) == ((part,), {})


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"type": "image_url", "image_url": "https://x/"}, Media("image", url="https://x/")),
        ({"type": "video_url", "video_url": {"url": "https://x/"}}, Media("video", url="https://x/")),
        ({"type": "input_audio", "input_audio": {"data": "A", "format": "flac"}}, Media("audio", "audio/flac", "A")),
        ({"type": "file", "file": {"file_data": "JVBE"}}, Media("file", "application/pdf", "JVBE")),
        ({"type": "file", "file": {"file_data": "https://x/", "filename": "a"}},
         Media("file", url="https://x/", name="a")),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text("a", cache=True),
        ),
    ],
)  # fmt: skip
def test_media(part: dict[str, Any], media: Any) -> None:
    """What clients send beside the documented forms."""
    assert asked(part) == (media,)


def test_cache_marks_of_messages() -> None:
    """A mark on a message is one on its last part."""
    marked = {"cache_control": {"type": "ephemeral"}}
    prompt = read({"role": "user", "content": "a", **marked}, {"role": "tool", "tool_call_id": "x", **marked})
    assert prompt.messages == (
        Message("user", (Text("a", cache=True),)),
        Message("user", (ToolResult("x", (), cache=True),)),
    )


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (None, "messages"),
        ([], "messages"),
        ({}, "messages"),
        ([7], "messages[0]"),
        ([{"role": []}], "messages[0].role"),
        ([{"role": "function", "name": "f", "content": "x"}], "messages[0].role"),
        ([{"role": "user", "content": 7}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": 7}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}],
            "messages[0].content[0].image_url.url",
        ),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], "messages[0].content[0].file.file_data"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "assistant", "tool_calls": [{"id": "a"}]}], "messages[0].tool_calls[0].function"),
        ([{"role": "assistant", "tool_calls": [{"function": {}}]}], "messages[0].tool_calls[0].id"),
    ],
)
def test_wrong_types(messages: Any, param: str) -> None:
    """The error names the member that is wrong."""
    with pytest.raises(CallerError) as caught:
        CLIENT.prompt({"messages": messages})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": [{"type": "hologram"}]}, "messages[0].content[0]"),
        ({"role": "assistant", "audio": {"id": "a"}}, "messages[0].audio"),
        ({"role": "assistant", "function_call": {}}, "messages[0].function_call"),
        ({"role": "assistant", "tool_calls": [{"type": "custom"}]}, "messages[0].tool_calls[0]"),
    ],
)
def test_what_no_other_format_knows(message: dict[str, Any], param: str) -> None:
    """It is refused by its name before anything is sent."""
    with pytest.raises(Untranslatable) as caught:
        read(message)
    assert caught.value.param == param


def test_unknown_members() -> None:
    """What is not known is kept by its name, to be refused by it."""
    prompt = read({"role": "user", "content": "a", "id": "m1", "x": None}, modalities=["audio"])
    assert prompt.extras == {"modalities": ["audio"], "messages[0].id": "m1"}


@given(VALUES, VALUES, VALUES)
def test_hostile_requests(one: Any, two: Any, three: Any) -> None:
    """Whatever a client sends is a prompt or a CallerError."""
    parts = [{"type": kind, kind: one} for kind in ("text", "refusal", "image_url", "input_audio", "file", "video_url")]
    call = {"id": "a", "function": {"name": "f", "arguments": two}, "extra_content": one}
    tried: list[dict[str, Any]] = [{"messages": [{"role": role, "content": [part]}]} for role in ("user", "tool")
                                   for part in [*parts, one, {"type": two}]]  # fmt: skip
    tried.append({"messages": [{"role": "assistant", "tool_calls": [call, two], "reasoning_details": three}]})
    tried += [{"messages": [{"role": one, "content": two, "name": three}]}, {"messages": one}]
    names = ("tools", "tool_choice", "response_format", "stop", "stream_options", "reasoning", "n", "max_tokens")
    tried += [{"messages": [{"role": "user", "content": "x"}], name: value} for name in names for value in (one, [two])]
    for request in tried:
        try:
            CLIENT.prompt(request)
        except CallerError as error:
            assert error.param
