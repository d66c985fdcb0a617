"""What holds for every prompt, every answer and every hostile input."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError, ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.anthropic.client import CLIENT
from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.prompt import Message, OutputShape, Prompt, Text, ToolCall, ToolResult, Untranslatable
from gateway.formats.protocol import Envelope
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode
from tests.gateway.formats.anthropic.recordings import STREAMS, events_of, recorded, request
from tests.gateway.formats.prompts import SCHEMA, WORDS, mutated, prompts

MODELS = st.sampled_from(["claude-sonnet-4-5", "claude-opus-5", "claude-3-5-haiku-20241022", "glm-5"])


def merged(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Turns of one role put together, results first, but for the system's; later ones of those in the user's words."""
    found: list[Message] = []
    leading = True
    for message in messages:
        leading = leading and message.role == "system"
        if message.role == "system" and not leading:
            tagged = tuple(
                Text(f"<system>\n{part.text}\n</system>") for part in message.parts if isinstance(part, Text)
            )
            message = Message("user", tagged)
        if found and not leading and found[-1].role == message.role:
            message = replace(message, parts=found.pop().parts + message.parts)
        parts = sorted(message.parts, key=lambda part: not isinstance(part, ToolResult))
        found.append(replace(message, parts=tuple(parts)))
    return tuple(found)


def meaning(prompt: Prompt) -> Prompt:
    """The prompt in the one way that this format has of saying it to an older model."""

    def said(message: Message) -> Message:
        parts = [replace(part, name="") if isinstance(part, ToolResult) else part for part in message.parts]
        read = [
            replace(part, arguments=json.dumps(json.loads(part.arguments))) if isinstance(part, ToolCall) else part
            for part in parts
        ]
        return replace(message, parts=tuple(read))

    return replace(
        prompt,
        messages=tuple(said(message) for message in merged(prompt.messages)),
        max_tokens=prompt.max_tokens or 16_384,
        output=OutputShape(SCHEMA, strict=True) if prompt.output else None,
        temperature=None if prompt.temperature == 1 else prompt.temperature,
        top_p=None if prompt.top_p == 1 else prompt.top_p,
        wants_usage=True,
    )


@given(prompts(sampling=True, structured=True, later_system=True))
def test_a_prompt_survives_this_format(prompt: Prompt) -> None:
    """What is written for a provider is read by a client's side as the same prompt."""
    if prompt.temperature not in (None, 1):
        prompt = replace(prompt, top_p=None)  # the model takes one of the two
    body = json.loads(encode(PROVIDER.write(prompt, "claude-sonnet-4-5").body))
    assert meaning(CLIENT.prompt(body)) == meaning(prompt)


@given(prompts(sampling=True, structured=True, later_system=True), MODELS)
def test_every_request_keeps_the_rules_of_the_api(prompt: Prompt, model: str) -> None:
    """Turns alternate from a user's on, none is empty, and every call's result is in the turn behind it."""
    try:
        body = PROVIDER.write(prompt, model).body
    except Untranslatable as error:
        assert error.param
        return
    turns = [turn for turn in body["messages"] if turn["role"] != "system"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2)
    assert all(turn["content"] for turn in turns)
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        calls = {block["id"] for block in turn["content"] if block["type"] == "tool_use"}
        answered = {block.get("tool_use_id") for block in after["content"]} if after else set()
        assert calls <= answered


@given(mutated(request()))
def test_hostile_requests_are_refused_or_read(body: Any) -> None:
    """Nothing but the caller's error is raised, also where what was read is written again."""
    if not isinstance(body, dict):
        return
    assert isinstance(CLIENT.opening(body), str)
    try:
        prompt = CLIENT.prompt(body)
        PROVIDER.write(prompt, "claude-sonnet-4-5")
    except CallerError:
        return


@given(mutated(request()), st.booleans())
def test_hostile_requests_are_amended_or_refused(body: Any, signed: bool) -> None:
    """What goes through is the provider's to refuse; what the version sets is put in."""
    if not isinstance(body, dict):
        return
    text = json.dumps(body).replace("EqQBCgIYAhIM", "" if not signed else "EqQ")
    fixed = {"temperature": 0.5, "effort": "none", "parallel_tools": False, "max_tokens": 5}
    document = Document.parse(text.encode())
    changed = PROVIDER.amend(document, Settings("Ours", fixed=fixed, native={"x": {}}), "claude-sonnet-4-5")
    sent = json.loads(document.render(changed))
    assert (sent["model"], sent["temperature"], sent["x"]) == ("claude-sonnet-4-5", 0.5, {})


events = st.sampled_from(
    [json.loads(line[6:]) for name in STREAMS for line in recorded(name).splitlines() if line.startswith(b"data: ")]
)


@given(st.lists(events.flatmap(lambda event: mutated(event) | st.just(event)), max_size=12))
def test_hostile_streams_are_followed_or_malformed(stream: list[Any]) -> None:
    """Nothing but the provider's error is raised; the end comes once, and last."""
    parser, found = PROVIDER.parser(), list[Event]()
    try:
        for event in stream:
            found += parser.take("", json.dumps(event).encode())
        found += parser.end()
    except ProviderError:
        return
    assert not found or isinstance(found[0], Begin)
    assert [isinstance(event, End) for event in found].count(True) in (0, 1)
    assert not any(isinstance(event, End) for event in found[:-1])


deltas = st.one_of(
    st.builds(TextDelta, WORDS),
    st.builds(ReasoningDelta, WORDS, st.sampled_from(["", "sig"]), signed_by=st.just("anthropic")),
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A stream of words, thoughts and calls, whose arguments interleave."""
    count = draw(st.integers(0, 3))
    queues: list[list[Event]] = [
        [ToolBegin(n, f"id{n}", "f"), ToolDelta(n, '{"a"'), ToolDelta(n, f":{n}}}")] for n in range(count)
    ]
    found: list[Event] = [Begin("msg_1"), *draw(st.lists(deltas, max_size=4))]
    begun = 0
    while any(queues):
        ready = [n for n, queue in enumerate(queues) if queue and n <= begun]
        chosen = draw(st.sampled_from(ready))
        begun = max(begun, chosen + 1)
        found.append(queues[chosen].pop(0))
    return [*found, *draw(st.lists(deltas, max_size=2)), End("stop")]


@given(answers())
def test_a_stream_survives_this_format(stream: list[Event]) -> None:
    """What is written to a client is followed as the same words, thoughts and calls, in the same order of blocks."""
    writer = CLIENT.writer(Envelope("call-1", "m", 0, Prompt(())))
    read = events_of(b"".join(writer.write(event) for event in stream))

    def text(events: list[Event], kind: type[TextDelta] | type[ReasoningDelta]) -> str:
        return "".join(event.text for event in events if isinstance(event, kind))

    def calls(events: list[Event]) -> list[tuple[str, str]]:
        begun = [event for event in events if isinstance(event, ToolBegin)]
        deltas = [event for event in events if isinstance(event, ToolDelta)]
        return [(each.id, "".join(d.arguments for d in deltas if d.index == each.index)) for each in begun]

    assert text(read, TextDelta) == text(stream, TextDelta)
    assert text(read, ReasoningDelta) == text(stream, ReasoningDelta)
    assert calls(read) == calls(stream)
    assert isinstance(read[-1], End)


@pytest.mark.parametrize("depth", [100, 900, 100_000])
def test_what_is_nested_without_end_is_read_or_malformed(depth: int) -> None:
    """A call's arguments are written anew, which costs as much stack as they are deep."""
    nest = "[" * depth + "]" * depth
    body = f'{{"content":[{{"type":"tool_use","id":"1","name":"f","input":{nest}}}]}}'
    try:
        assert PROVIDER.reply(body.encode()).parts
    except ProviderError as error:
        assert error.kind == "malformed"
