"""A chat-completion stream read in pieces: however it is cut, the same bytes go on and the same verdict follows."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.calls import Usage
from gateway.formats import sse
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.tool_use import MOST_TOOLS, RequestedTool


def chunk(content: str = "x", finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return json.dumps({"choices": [choice], **more}, ensure_ascii=False).encode()


def tool(arguments: object, index: object = 0) -> bytes:
    delta = {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode()


def stream(*data: bytes, end: bytes = b"\n\n", before: bytes = b"data: ") -> bytes:
    return b"".join(before + each + end for each in data)


USAGE = b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}'
DONE = b"[DONE]"
WHOLE = [chunk("Zoë 🐤 \u2028"), chunk("\\n\\n"), chunk("", "stop")]

# name: (stream, what goes on where it differs, failure, usage)
RECORDED: dict[str, tuple[bytes, bytes | None, str | None, Usage | None]] = {
    "plain": (stream(*WHOLE, DONE), None, None, None),
    "CRLF": (stream(*WHOLE, DONE, end=b"\r\n\r\n"), None, None, None),
    "CR": (stream(*WHOLE, DONE, end=b"\r\r"), None, None, None),
    "no space after data:": (stream(*WHOLE, DONE, before=b"data:"), None, None, None),
    "comments, event and id lines": (
        b": ping\n\n" + stream(*WHOLE, DONE, before=b"event: message\nid: 1\ndata: "), None, None, None,
    ),
    "usage that is stripped": (stream(*WHOLE, USAGE, DONE), stream(*WHOLE, DONE), None, Usage(7, 0, 5)),
    "usage with CRLF": (
        stream(*WHOLE, USAGE, DONE, end=b"\r\n\r\n"), stream(*WHOLE, DONE, end=b"\r\n\r\n"), None, Usage(7, 0, 5),
    ),
    "usage in the last chunk": (
        stream(chunk("", "stop", usage={"prompt_tokens": 7, "completion_tokens": 5}), DONE), None, None, Usage(7, 0, 5),
    ),
    "without [DONE]": (stream(*WHOLE), None, None, None),
    "without the last blank line": (stream(*WHOLE) + b"data: [DONE]", stream(*WHOLE, DONE), None, None),
    "bytes behind [DONE]": (stream(*WHOLE, DONE, b"more"), stream(*WHOLE, DONE), None, None),
    "tool call": (stream(chunk(), tool('{"a": '), tool("1}"), chunk("", "tool_calls"), DONE), None, None, None),
    "tool call without arguments": (stream(tool(""), tool(None), chunk("", "stop"), DONE), None, None, None),
    "broken tool call": (stream(tool('{"a": '), chunk("", "stop"), DONE), None, "bad_tool_arguments", None),
    "data in several lines": (
        b'data: {"choices":[{"delta":{},\ndata: "finish_reason":"stop"}]}\n\n', None, None, None,
    ),
    "cut between events": (stream(*WHOLE[:2]), None, "truncated", None),
    "cut inside an event": (stream(*WHOLE[:2]) + b'data: {"choices":[{"del', stream(*WHOLE[:2]), "truncated", None),
    "cut inside the usage": (stream(*WHOLE) + b'data: {"choices":[],"us', stream(*WHOLE), "truncated", None),
    "error event": (stream(WHOLE[0], b'{"error":{"message":"no"}}'), stream(WHOLE[0]), "error_in_answer", None),
    "error text": (stream(WHOLE[0], b'{"error":"no"}', DONE), stream(WHOLE[0]), "error_in_answer", None),
    "not JSON": (stream(WHOLE[0], b"<html>", DONE), stream(WHOLE[0]), "malformed", None),
    "half an object": (stream(WHOLE[0], b'{"choices":[{"del', DONE), stream(WHOLE[0]), "malformed", None),
    "nothing": (b"", None, "malformed", None),
    "comments alone": (b": ping\n\n: ping\n\n", None, "malformed", None),
    "no choices": (stream(b'{"choices":[]}', DONE), None, "malformed", None),
    "not an object": (stream(b"[]", b"7", DONE), None, "malformed", None),
}  # fmt: skip


def read(pieces: list[bytes], wants_usage: bool = False) -> tuple[bytes, StreamReader]:
    """All that goes on to the client, and the reader at the end."""
    reader = StreamReader(wants_usage)
    out = b"".join(map(reader.feed, pieces))
    return out + reader.end(), reader


def check(pieces: list[bytes], name: str) -> None:
    whole, relayed, failure, usage = RECORDED[name]
    out, reader = read(pieces)
    assert out == (whole if relayed is None else relayed)
    assert (reader.failure.kind if reader.failure else None) == failure
    assert reader.usage == usage


@pytest.mark.parametrize("name", RECORDED)
def test_cut_at_every_byte(name: str) -> None:
    """Cut in two at any byte, or into single bytes: what goes on, the failure and the usage stay the same."""
    whole = RECORDED[name][0]
    for at in range(len(whole) + 1):
        check([whole[:at], whole[at:]], name)
    check([whole[at : at + 1] for at in range(len(whole))], name)


@given(st.sampled_from(list(RECORDED)), st.lists(st.integers(0, 400), max_size=8))
@settings(max_examples=200, deadline=None)
def test_cut_anywhere(name: str, cuts: list[int]) -> None:
    """The same for any number of cuts."""
    whole = RECORDED[name][0]
    marks = [0, *sorted(cuts), len(whole)]
    check([whole[start:end] for start, end in pairwise(marks)], name)


@pytest.mark.parametrize("wants", [True, False])
def test_usage_goes_on_when_wanted(wants: bool) -> None:
    """The client that asked for the usage gets it."""
    out, _ = read([stream(*WHOLE, USAGE, DONE)], wants)
    assert (USAGE in out) is wants


def test_line_of_a_megabyte() -> None:
    """A line of 1 MB that comes in small pieces goes on whole, and is looked at once."""
    whole = stream(chunk("x" * (1 << 20), "stop"), DONE)
    out, reader = read([whole[at : at + 1000] for at in range(0, len(whole), 1000)])
    assert out == whole and reader.failure is None


@pytest.mark.parametrize("piece", [b"x" * (sse.MAX_EVENT_BYTES + 1), tool('"' * (1 << 21))])
def test_what_has_no_end(piece: bytes) -> None:
    """An event, or tool-call arguments, beyond all measure end the stream and not our memory."""
    reader = StreamReader(False)
    reader.feed(stream(piece) if piece.startswith(b"{") else piece)
    assert reader.failure is not None and reader.failure.kind == "malformed"
    assert reader.feed(stream(DONE)) == b""


def test_what_came_before_an_endless_event_goes_on() -> None:
    """Also where all of it came in one piece: a client gets each part that was whole."""
    reader, whole = StreamReader(False), stream(chunk("a"), tool("{"), chunk("b"))
    assert reader.feed(whole + b"x" * (sse.MAX_EVENT_BYTES + 1)) == whole
    assert reader.failure is not None and reader.failure.kind == "malformed"


@pytest.mark.parametrize(
    "event",
    [
        b'{"choices":7,"error":null}',
        b'{"choices":[7,null],"error":null}',
        b'{"choices":[{"index":[],"delta":7}],"error":null}',
        b'{"choices":[{"delta":{"tool_calls":7}}]}',
        b'{"choices":[{"delta":{"tool_calls":[7,{"index":{},"function":{"arguments":"{}"}},{"function":8}]}}]}',
        b'{"choices":[],"usage":{"prompt_tokens":"many","completion_tokens":-1}}',
        b"[" * 5000,
    ],
)
def test_nonsense(event: bytes) -> None:
    """Whatever a provider invents is relayed or refused, and breaks nothing."""
    _, reader = read([stream(chunk(), event, chunk("", "stop"), DONE)])
    assert reader.failure is None or reader.failure.kind == "malformed"


def test_tokens_are_estimated_from_the_parts() -> None:
    """A part is about a token, but for the first, which names the role, and the last, which says why it ended."""
    _, reader = read([stream(chunk(""), chunk("a"), chunk("b"))])
    assert reader.tokens == 2
    _, reader = read([stream(chunk("")), stream(chunk("a"), chunk("b"), chunk("", "stop"), DONE)])
    assert reader.tokens == 2


def piece(index: int, id_: str | None, name: str | None, arguments: str) -> bytes:
    call = {"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}
    return json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).encode()


def asked(*pieces: bytes) -> tuple[RequestedTool, ...]:
    reader = StreamReader(False)
    reader.feed(stream(*pieces, chunk("", "tool_calls"), DONE))
    assert reader.answer_end.finish == "tool_calls"
    return reader.answer_end.tools


def test_the_calls_that_a_stream_asks_for() -> None:
    """Parallel calls by their ids and names, however their arguments are cut and mixed."""
    begun = [piece(0, "c1", "find", ""), piece(1, "c2", "look", "")]
    pieces = [*begun, piece(0, None, None, "{"), piece(1, "", None, "{}")]
    assert asked(*pieces, piece(0, None, None, "}")) == (RequestedTool("c1", "find"), RequestedTool("c2", "look"))


def test_a_name_that_is_repeated_is_one_call() -> None:
    """Some servers repeat id and name with every piece, and some number all calls alike."""
    again = [piece(0, "c1", "find", "{"), piece(0, "c1", "find", "}"), piece(0, "c2", "find", "{}")]
    assert asked(*again) == (RequestedTool("c1", "find"), RequestedTool("c2", "find"))


def test_the_calls_of_a_stream_are_bounded() -> None:
    """A provider that asks without end, with giant ids, takes bounded memory."""
    found = asked(*[piece(index, f"{index}" * 500, "find", "{}") for index in range(MOST_TOOLS + 9)])
    assert len(found) == MOST_TOOLS and max(len(each.id) for each in found) == 128
