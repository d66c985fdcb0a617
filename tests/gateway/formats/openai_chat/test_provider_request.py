"""A prompt as a chat completion for a provider."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gateway.formats.openai_chat._quirks import quirks
from gateway.formats.openai_chat.client import CLIENT
from gateway.formats.openai_chat.provider import PROVIDER, at
from gateway.formats.openai_chat.provider_request import write_request
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
from gateway.formats.settings import Settings
from gateway.json_body import Document
from tests.gateway.formats.prompts import prompts

HI = Message("user", (Text("hi"),))
OPENAI, OPENROUTER, PLAIN = "api.openai.com", "openrouter.ai", ""
SCHEMA = {"type": "object"}
WHOLE = {"type": "object", "properties": {}}
CALL = ToolCall("1", "f", '{"a":1}', "Cs", "gemini")
SIGNED = Reasoning("Hm.", "S", signed_by="anthropic")


def sent(prompt: Prompt, host: str = PLAIN, model: str = "gpt-5") -> dict[str, Any]:
    """The body as the provider reads it."""
    written = at(host).write(prompt, model)
    assert written.path == "/chat/completions"
    body: dict[str, Any] = json.loads(json.dumps(written.body))
    return body


def members(host: str = PLAIN, model: str = "gpt-5", **fields: Any) -> dict[str, Any]:
    """What these fields of a prompt add to a body."""
    body = sent(Prompt((HI,), **fields), host, model)
    return {name: value for name, value in body.items() if name not in ("model", "messages")}


def messages(*said: Message, host: str = PLAIN) -> list[Any]:
    written: list[Any] = sent(Prompt(said), host)["messages"]
    return written


def test_nothing_that_was_not_asked_for() -> None:
    """A bare prompt is a bare request."""
    assert sent(Prompt((HI,))) == {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0.0, "top_p": 0.5, "seed": 7}, {"temperature": 0.0, "top_p": 0.5, "seed": 7}),
        ({"stop": ("END",)}, {"stop": ["END"]}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"presence_penalty": 1, "frequency_penalty": -1}, {"presence_penalty": 1, "frequency_penalty": -1}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"output": OutputShape()}, {"response_format": {"type": "json_object"}}),
        (
            {"output": OutputShape(SCHEMA, strict=True)},
            {"response_format": {"type": "json_schema",
                                 "json_schema": {"name": "answer", "schema": WHOLE, "strict": True}}},
        ),
        ({"effort": "low"}, {"reasoning_effort": "low"}),
        ({"thinking_budget": 0}, {"reasoning_effort": "none"}),
        ({"thinking_budget": 8192}, {"reasoning_effort": "medium"}),
        ({"thinking_budget": 8193, "wants_thoughts": True}, {"reasoning_effort": "high"}),
        ({"tool_choice": ToolChoice("auto"), "parallel_tools": True}, {}),
        ({"tool_choice": ToolChoice("one", "f")}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (
            {"tools": (ToolSpec("f", "F.", SCHEMA, True), ToolSpec("g")), "tool_choice": ToolChoice("required"),
             "parallel_tools": False},
            {"tools": [{"type": "function", "function": {"name": "f", "description": "F.", "parameters": WHOLE,
                                                         "strict": True}},
                       {"type": "function", "function": {"name": "g"}}],
             "tool_choice": "required", "parallel_tool_calls": False},
        ),
        ({"hints": {"user": "u", "store": True, "anything": 1}}, {"user": "u"}),
        ({"extras": {"logit_bias": {"1": 2}}}, {"logit_bias": {"1": 2}}),
    ],
)  # fmt: skip
def test_parameters(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every field has its member."""
    assert members(**fields) == expected


@pytest.mark.parametrize(
    ("host", "model", "fields", "expected"),
    [
        (PLAIN, "llama-4", {"max_tokens": 5}, {"max_tokens": 5}),
        (PLAIN, "o4-mini", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        (OPENAI, "gpt-4o", {"max_tokens": 5, "effort": "none"}, {"max_completion_tokens": 5}),
        ("x.openai.azure.com", "mine", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("x.cognitiveservices.azure.com", "mine", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("eu.api.openai.com", "mine", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        (OPENROUTER, "openai/gpt-5", {"max_tokens": 5, "effort": "low", "thinking_budget": 9},
         {"max_tokens": 5, "reasoning": {"effort": "low"}}),
        (OPENROUTER, "x", {"thinking_budget": 9, "wants_thoughts": False, "top_k": 4},
         {"reasoning": {"max_tokens": 9, "exclude": True}, "top_k": 4}),
        ("api.mistral.ai", "mistral-large", {"seed": 5, "hints": {"user": "u"}}, {"random_seed": 5}),
        (OPENAI, "gpt-5", {"hints": {"metadata": {"a": "b"}, "prompt_cache_key": "k"}}, {"prompt_cache_key": "k"}),
        (OPENAI, "gpt-5", {"hints": {"metadata": {"a": "b"}, "store": True}}, {"metadata": {"a": "b"}, "store": True}),
    ],
)  # fmt: skip
def test_quirks(host: str, model: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What a host or a model calls by another name, or does not know."""
    assert members(host, model, **fields) == expected


@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-4.1", "gpt-5-chat-latest"])
def test_models_that_do_not_think(model: str) -> None:
    """They would refuse the call: it is refused before it is sent."""
    with pytest.raises(Untranslatable) as caught:
        members(PLAIN, model, thinking_budget=2000)
    assert caught.value.param == "reasoning_effort"


def test_conversation() -> None:
    """Each turn in its place; parallel calls and their results by their ids; a refusal is its own member."""
    assert messages(
        Message("system", (Text("Be kind."),)),
        Message("user", (Text("a"), Media("image", url="https://x/", detail="low")), "ada"),
        Message("assistant", (SIGNED, Text("Look:"), CALL, ToolCall("2", "g", ""))),
        Message("user", (Text("well"), ToolResult("1", (Text("A"),), "f"), ToolResult("2", (Text("B"), Text("C"))))),
        Message("assistant", (SIGNED,)),
        Message("assistant", (Refusal("No."),)),
    ) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "name": "ada", "content": [
            {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x/", "detail": "low"}}]},
        {"role": "assistant", "content": "Look:", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "A"},
        {"role": "tool", "tool_call_id": "2", "content": "B\n\nC"},
        {"role": "user", "content": "well"},
        {"role": "assistant", "content": None, "refusal": "No."},
    ]  # fmt: skip


def test_media() -> None:
    """Images, recordings and files as base64, files by id."""
    given = (Media("image", "image/png", "AA=="), Media("audio", "audio/wav", "UklG"),
             Media("file", "application/pdf", "JVBE"), Media("file", file_id="file-1", name="a.pdf"))  # fmt: skip
    assert messages(Message("user", given))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"filename": "file", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
    ]


def test_results_that_text_cannot_hold() -> None:
    """An error says so in its text; images follow in a message of the user."""
    image = Media("image", "image/png", "AA==")
    results = (ToolResult("1", (Text("boom"),), is_error=True), ToolResult("2", (image,)))
    assert messages(Message("user", results)) == [
        {"role": "tool", "tool_call_id": "1", "content": "Error: boom"},
        {"role": "tool", "tool_call_id": "2", "content": ""},
        {"role": "user", "content": [
            {"type": "text", "text": "What the call 2 returned besides text:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "thoughts"),
    [
        (PLAIN, {}),
        ("api.deepseek.com", {"reasoning_content": "Hm."}),
        (OPENROUTER, {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "S", "id": None,
                                             "format": "anthropic-claude-v1", "index": 0}]}),
    ],
)  # fmt: skip
def test_thoughts_of_earlier_turns(host: str, thoughts: dict[str, Any]) -> None:
    """They go where they are wanted, in the form in which they are."""
    assert messages(Message("assistant", (SIGNED, Text("a"))), host=host) == [
        {"role": "assistant", "content": "a", **thoughts}
    ]


def test_marks_that_only_some_providers_know() -> None:
    """Cache marks and signatures of calls are left out where they would be refused."""
    said = (
        Message("user", (Text("a", cache=True),)),
        Message("assistant", (ToolCall("1", "f", "{}", "Cs", "gemini"),)),
    )
    assert messages(*said)[0]["content"] == "a"
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert messages(*said, host=OPENROUTER)[0]["content"] == [marked]
    call = messages(*said, host="generativelanguage.googleapis.com")[1]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "Cs"}}


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (Prompt((HI,), top_k=4), "top_k"),
        (Prompt((HI,), extras={"safetySettings": []}), "safetySettings"),
        (Prompt((HI,), extras={"n": 2}), "n"),
        (Prompt((Message("user", (Media("video", url="https://x/"),)),)), "messages"),
        (Prompt((Message("user", (Media("file", url="https://x/"),)),)), "messages"),
        (Prompt((Message("user", (Media("audio", "audio/flac", "A"),)),)), "messages"),
        (Prompt((Message("user", (Media("image", file_id="f"),)),)), "messages"),
        (Prompt((Message("user", (ToolCall("1", "f", "{}"),)),)), "messages"),
        (Prompt((Message("system", (Media("image", url="https://x/"),)),)), "messages"),
        (Prompt((Message("assistant", (Media("image", url="https://x/"),)),)), "messages"),
    ],
)
def test_refused(prompt: Prompt, param: str) -> None:
    """What cannot be said is refused by its name before anything is sent."""
    with pytest.raises(Untranslatable) as caught:
        sent(prompt)
    assert caught.value.param == param


@given(prompts(sampling=True, structured=True, later_system=True))
def test_what_is_written_reads_the_same(prompt: Prompt) -> None:
    """A prompt survives being written and read, but for choices among no tools and for turns that hold two things.

    Texts that stand alone are one.
    """
    asked = replace(quirks(OPENROUTER, "gpt-5"), one_system=False)
    got = CLIENT.prompt(json.loads(json.dumps(write_request(prompt, "gpt-5", asked))))
    assert replace(got, messages=(), hints={}) == replace(prompt, messages=(), wants_usage=prompt.stream)
    assert parts(got) == parts(prompt)


def parts(prompt: Prompt) -> list[Any]:
    """The parts, with the texts of a function's result as one, and those of a message that holds nothing else."""
    return [(message.role, joined(part)) for message in prompt.messages for part in alone(message.parts)]


def alone(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    said = [part for part in parts if not isinstance(part, ToolCall | ToolResult)]
    texts = [part.text for part in said if isinstance(part, Text)]
    if len(texts) < max(len(said), 2):
        return parts
    others = [part for part in parts if not isinstance(part, Text)]
    results = [part for part in others if isinstance(part, ToolResult)]
    return (*results, Text("\n\n".join(texts)), *(part for part in others if part not in results))


def joined(part: Part) -> Part:
    if not isinstance(part, ToolResult) or not all(isinstance(each, Text) for each in part.parts):
        return part
    said = "\n\n".join(each.text for each in part.parts if isinstance(each, Text))
    return replace(part, parts=(Text(said),) if said else ())


def test_amend_changes_only_what_the_version_sets() -> None:
    """The client's own bytes stay; a limit has two names; what the client may set is only a default."""
    body = b'{"model":"a","messages":[{"role":"user","content":"x"}],"max_tokens":5,"top_p":1.0,"stream":true}'
    document = Document.parse(body)
    version = Settings("Be kind.", (ToolSpec("f"),), {"max_tokens": 9, "tool_choice": ToolChoice("none"), "seed": None},
                       {"top_p": 0.5, "temperature": 0.3}, {"logit_bias": {}})  # fmt: skip
    changed = at(OPENAI).amend(document, version, "gpt-5")
    assert json.loads(document.render(changed)) == {
        "model": "gpt-5",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "x"}],
        "max_completion_tokens": 9,
        "top_p": 1.0,
        "stream": True,
        "temperature": 0.3,
        "tool_choice": "none",
        "logit_bias": {},
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "stream_options": {"include_usage": True},
    }
    assert changed["max_tokens"] is None
    assert PROVIDER.amend(document, Settings(), "m")["model"] == '"m"'
