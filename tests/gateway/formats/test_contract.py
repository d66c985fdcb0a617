"""What holds for every wire format: round trips, streams in pieces, hostile input, unsayable fields, usage, errors."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.calls import Usage
from gateway.errors import CallerError, ProviderError, Unauthenticated
from gateway.formats.answer import Begin, End, Event, Reply, TextDelta, ToolBegin, ToolDelta
from gateway.formats.prompt import Message, Prompt, Text, ToolCall, ToolResult, ToolSpec, Untranslatable
from gateway.formats.protocol import Envelope
from gateway.formats.registry import CLIENTS, PROVIDERS
from tests.gateway.formats.contract import JOINED, STREAMS, Joined, followed, taken
from tests.gateway.formats.prompts import SCHEMA, VALUES, mutated

CLIENT_FORMATS = [joined for joined in JOINED if joined.name in CLIENTS]
CALL = ToolCall("call_1", "get_weather", '{"city": "Oslo"}')
ASKED = Prompt(
    (
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Weather?"),)),
        Message("assistant", (Text("One moment."), CALL)),
        Message("user", (ToolResult("call_1", (Text("4 °C"),), name="get_weather"), Text("And?"))),
    ),
    (ToolSpec("get_weather", "It tells.", SCHEMA),),
    max_tokens=4096,
    stream=True,
    wants_usage=True,
)
ENVELOPE = Envelope("call-1", "m", 1_700_000_000, ASKED)


def parametrized(formats: list[Joined] | tuple[Joined, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("joined", formats, ids=lambda joined: joined.name)


def test_every_format_has_joined() -> None:
    """No provider's format is without the suite."""
    assert {joined.name for joined in JOINED} == PROVIDERS.keys()


@pytest.mark.parametrize(("joined", "name"), STREAMS, ids=lambda value: getattr(value, "name", value))
def test_a_stream_says_the_same_however_it_is_cut(joined: Joined, name: str) -> None:
    """Packets end anywhere: in a name, in a character, in a line's end."""
    stream = joined.stream(name)
    whole = followed(joined.provider, stream)
    assert isinstance(whole[0], Begin) and isinstance(whole[-1], End)
    assert [type(event) for event in whole].count(End) == 1
    for cut in range(len(stream)):
        assert followed(joined.provider, stream[:cut], stream[cut:]) == whole


@parametrized(CLIENT_FORMATS)
def test_a_request_survives(joined: Joined) -> None:
    """A client's side reads what the provider's side wrote."""
    body = json.loads(json.dumps(joined.provider.write(ASKED, joined.model).body))
    read = CLIENTS[joined.name].prompt(body)
    parts = [part for message in read.messages for part in message.parts]
    assert [part.text for part in parts if isinstance(part, Text)] == ["Be brief.", "Weather?", "One moment.", "And?"]
    assert [(call.name, json.loads(call.arguments)) for call in parts if isinstance(call, ToolCall)] == [
        ("get_weather", {"city": "Oslo"})
    ]
    assert [result.parts for result in parts if isinstance(result, ToolResult)] == [(Text("4 °C"),)]
    assert [(tool.name, tool.description) for tool in read.tools] == [("get_weather", "It tells.")]
    assert read.max_tokens == 4096


@parametrized(CLIENT_FORMATS)
def test_an_answer_survives(joined: Joined) -> None:
    """A provider's side reads what the client's side wrote, with its usage."""
    written = CLIENTS[joined.name].reply(Reply((Text("Cold."), CALL), "tool_calls", Usage(9, 4, 3)), ENVELOPE)
    read = joined.provider.reply(written)
    text, call = read.parts
    assert isinstance(text, Text) and isinstance(call, ToolCall)
    assert (text.text, call.name, json.loads(call.arguments)) == ("Cold.", CALL.name, json.loads(CALL.arguments))
    assert (read.stop, read.usage) == ("tool_calls", Usage(9, 4, 3))


@parametrized(CLIENT_FORMATS)
def test_a_stream_survives(joined: Joined) -> None:
    """So it does with a stream."""
    said: list[Event] = [Begin(), TextDelta("Co"), TextDelta("ld."), ToolBegin(0, "call_1", "f"), ToolDelta(0, "{}")]
    writer = CLIENTS[joined.name].writer(ENVELOPE)
    written = b"".join(writer.write(event) for event in [*said, End("tool_calls", Usage(9, 4, 3))])
    read = followed(joined.provider, written)
    assert "".join(event.text for event in read if isinstance(event, TextDelta)) == "Cold."
    assert [event.name for event in read if isinstance(event, ToolBegin)] == ["f"]
    assert read[-1] == End("tool_calls", Usage(9, 4, 3))


@parametrized(JOINED)
def test_what_a_format_cannot_say_is_named(joined: Joined) -> None:
    """A field that no format knows is refused by its own name, not dropped."""
    with pytest.raises(Untranslatable) as caught:
        joined.provider.write(replace(ASKED, extras={"no_such_field": 1}), joined.model)
    assert caught.value.param == "no_such_field"


@parametrized(JOINED)
def test_a_recorded_answer_has_its_usage(joined: Joined) -> None:
    """Whole or streamed: what was cached is part of the input."""
    ends = [followed(joined.provider, joined.stream(name))[-1] for name in joined.streams]
    usages = [end.usage for end in ends if isinstance(end, End)]
    known = [usage for usage in (joined.provider.reply(json.dumps(joined.answer).encode()).usage, *usages) if usage]
    assert known and all(usage.input >= usage.cached and usage.input and usage.output for usage in known)


@parametrized(JOINED)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_hostile_answers_are_read_or_refused(joined: Joined, data: st.DataObject) -> None:
    """Nothing but the provider's error is raised, and what was read can be written for every client."""
    body = data.draw(mutated(joined.answer))
    try:
        reply = joined.provider.reply(json.dumps(body).encode())
    except ProviderError:
        return
    for client in CLIENTS.values():
        json.loads(client.reply(reply, ENVELOPE))


@parametrized(JOINED)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_hostile_streams_are_followed_or_refused(joined: Joined, data: st.DataObject) -> None:
    """Any event may be anything; the end comes once, and last."""
    stream = joined.stream(data.draw(st.sampled_from(joined.streams)))
    frames = [(frame.name, frame.data) for frame in joined.provider.facts.framer().feed(stream)]
    at = data.draw(st.integers(0, len(frames) - 1))
    if frames[at][1].startswith(b"{"):
        frames[at] = frames[at][0], json.dumps(data.draw(mutated(json.loads(frames[at][1])))).encode()
    try:
        found = taken(joined.provider, frames)
    except ProviderError:
        return
    assert not any(isinstance(event, End) for event in found[:-1])


@parametrized(CLIENT_FORMATS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_hostile_requests_are_read_or_refused(joined: Joined, data: st.DataObject) -> None:
    """Nothing but the caller's error is raised, also where what was read is written for any provider."""
    body = data.draw(mutated(dict(joined.provider.write(ASKED, joined.model).body)))
    if not isinstance(body, dict):
        return
    assert isinstance(CLIENTS[joined.name].opening(body), str)
    for other in JOINED:
        try:
            other.provider.write(CLIENTS[joined.name].prompt(body), other.model)
        except CallerError:
            continue


@parametrized(JOINED)
@settings(max_examples=30, deadline=None)
@given(st.integers(-1, 1000), VALUES, VALUES)
def test_hostile_errors_are_errors(joined: Joined, status: int, value: Any, inner: Any) -> None:
    """Whatever JSON a provider sends with whatever status."""
    for each in (value, {"error": value}, {"type": "error", "error": {"type": value, "message": inner}}):
        error = joined.provider.error(status, (), json.dumps(each).encode())
        assert error.message and error.status >= 400


@parametrized(JOINED)
def test_a_refused_key_is_not_shown(joined: Joined) -> None:
    """The provider may quote the account's key: the client hears nothing of what it said."""
    error = joined.provider.error(401, (), b'{"error":{"message":"bad key sk-own"},"message":"bad key sk-own"}')
    assert error.body is None and "sk-own" not in str(error)


@parametrized(CLIENT_FORMATS)
def test_an_error_is_told_whole_and_in_a_stream(joined: Joined) -> None:
    """The gateway's own words stand in both."""
    client, error = CLIENTS[joined.name], Unauthenticated("who are you?")
    assert "who are you?" in json.dumps(json.loads(client.error(error, "call-1")))
    event = client.error_event(error, "call-1")
    assert b"who are you?" in event and event.endswith((b"\n\n", b"\r\n\r\n"))


@parametrized(JOINED)
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"\xff", b"<html>", b"[" * 100_000])
def test_what_is_no_answer_is_malformed(joined: Joined, body: bytes) -> None:
    """Whatever its status was."""
    with pytest.raises(ProviderError) as caught:
        joined.provider.reply(body)
    assert caught.value.kind == "malformed"
