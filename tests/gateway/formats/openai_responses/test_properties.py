"""What holds for every prompt, every answer and every hostile input."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SerinusError
from gateway.formats.answer import Begin, End, Event, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.openai_responses.client import CLIENT
from gateway.formats.openai_responses.provider import PROVIDER
from gateway.formats.prompt import Media, Message, Part, Prompt, ToolResult, ToolSpec
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode
from tests.gateway.formats.openai_responses.recordings import ENVELOPE, events_of, recorded, request
from tests.gateway.formats.prompts import VALUES, WORDS, prompts

_TYPES = ("message", "function_call", "function_call_output", "reasoning", "image_generation_call", "item_reference")


def merged(messages: Iterable[Message]) -> list[Message]:
    """Turns of one role put together, but for the system's."""
    found: list[Message] = []
    for message in messages:
        if found and found[-1].role == message.role != "system":
            message = replace(message, parts=found.pop().parts + message.parts)
        found.append(message)
    return found


def meaning(prompt: Prompt) -> Prompt:
    """The prompt in the one way that this format has of saying it."""
    tools = tuple(ToolSpec(tool.name, tool.description, tool.schema, bool(tool.strict)) for tool in prompt.tools)
    return replace(prompt, messages=tuple(merged(prompt.messages)), tools=tools, hints={})


@given(prompts(structured=True, later_system=True), st.sampled_from([None, 0.0, 0.7]))
def test_a_prompt_survives_this_format(prompt: Prompt, temperature: float | None) -> None:
    """What is written for a provider is read by a client's side as the same prompt."""
    asked = replace(prompt, temperature=temperature)
    body = json.loads(encode(PROVIDER.write(asked, "gpt-5").body))
    assert meaning(CLIENT.prompt(body)) == meaning(asked)


items = st.fixed_dictionaries(
    {"type": st.sampled_from(_TYPES)},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]) | VALUES,
        "call_id": st.text(max_size=3) | VALUES,
        "name": st.text(max_size=3) | VALUES,
        "arguments": st.text(max_size=3) | VALUES,
        "output": st.text(max_size=3) | VALUES,
        "content": st.lists(st.fixed_dictionaries({"type": st.sampled_from(["input_text", "input_image"])})) | VALUES,
        "summary": VALUES,
        "encrypted_content": st.just("serinus:[]") | VALUES,
    },
)
members = st.sampled_from(sorted({*request(), "top_p", "top_logprobs", "conversation", "previous_response_id"}))


@given(st.dictionaries(members, VALUES, max_size=4), st.lists(items, max_size=3) | VALUES)
def test_hostile_requests_raise_only_our_errors(changes: dict[str, Any], given_input: Any) -> None:
    """Whatever JSON a client sends, it gets a prompt, a version's part put in, or an error that says why not."""
    hostile = {**request(), "input": given_input, **changes}
    settings = Settings("S", (ToolSpec("f"),), {"effort": "low"}, {"output": None, "logprobs": True})
    for use in (CLIENT.prompt, CLIENT.opening, lambda values: _amended(values, settings)):
        try:
            use(hostile)
        except SerinusError as error:
            assert error.status in (400, 404)


def _amended(values: dict[str, Any], settings: Settings) -> object:
    document = Document.parse(encode(values).encode())
    return json.loads(document.render(PROVIDER.amend(document, settings, "m")))


def _spoiled(value: Any, path: list[int], spoiler: Any) -> Any:
    """The value with something of it replaced: `path` chooses where."""
    if not path or not isinstance(value, (dict, list)) or not value:
        return spoiler
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    copy = value.copy()
    copy[key] = _spoiled(value[key], path[1:], spoiler)
    return copy


paths = st.lists(st.integers(0, 99), max_size=6)


@given(st.sampled_from(["answer.json", "answer_tools.json", "incomplete.json", "failed.json"]), paths, VALUES)
def test_hostile_answers_raise_only_our_errors(name: str, path: list[int], spoiler: Any) -> None:
    """A provider may send anything in the place of anything."""
    body = json.dumps(_spoiled(json.loads(recorded(name)), path, spoiler)).encode()
    for use in (lambda: PROVIDER.reply(body), lambda: CLIENT.reply(PROVIDER.reply(body), ENVELOPE)):
        try:
            use()
        except SerinusError as error:
            assert error.status >= 400
    assert PROVIDER.error(500, (), body).status >= 400


@given(st.sampled_from(["text.sse", "tools.sse", "refusal.sse"]), st.integers(0, 99), paths, VALUES)
def test_hostile_streams_raise_only_our_errors(name: str, which: int, path: list[int], spoiler: Any) -> None:
    """Any event may be spoiled; what is read of the stream can be written for a client."""
    frames = recorded(name).split(b"\n\n")[:-1]
    event, data = frames[which % len(frames)].split(b"\ndata: ")
    frames[which % len(frames)] = event + b"\ndata: " + json.dumps(_spoiled(json.loads(data), path, spoiler)).encode()
    writer = CLIENT.writer(ENVELOPE)
    try:
        for each in events_of(b"\n\n".join(frames) + b"\n\n"):
            assert isinstance(writer.write(each), bytes)
    except SerinusError as error:
        assert error.status >= 400


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """The events of an answer: words, a refusal, calls whose arguments interleave."""
    events: list[Event] = [Begin("x", "m")]
    events += draw(st.lists(st.builds(TextDelta, WORDS), max_size=3))
    calls = draw(st.integers(0, 2))
    events += [ToolBegin(index, f"call_{index}", "f") for index in range(calls)]
    events += [ToolDelta(index, piece) for piece in ('{"a"', ":1}") for index in range(calls)]
    if draw(st.booleans()) and not calls:
        events += [RefusalDelta("No."), End("refusal")]
    else:
        events.append(End("tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))))
    return events


@given(answers())
def test_a_stream_that_we_write_is_read_as_it_was(events: list[Event]) -> None:
    """Our own streams are streams of this format."""
    writer = CLIENT.writer(ENVELOPE)
    read = events_of(b"".join(writer.write(event) for event in events))
    assert read[1:] == events[1:]


@pytest.mark.parametrize("part", [Media("image", url="https://e.com/a.png"), ToolResult("c", ())])
def test_parts_without_text_survive_too(part: Part) -> None:
    """Nothing needs words beside it."""
    prompt = Prompt((Message("user", (part,)),))
    (message,) = CLIENT.prompt(PROVIDER.write(prompt, "m").body).messages
    assert len(message.parts) == 1
