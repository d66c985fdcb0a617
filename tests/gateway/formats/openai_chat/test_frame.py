"""Parts of a stream that are told by their frame: exactly those that differ from the last one in their text alone."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.calls import Usage
from gateway.formats.openai_chat._frame import ChunkFrame
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.redaction import Redactor


def part(text: str | None, *, delta: str = "content", finish: str | None = None, **more: Any) -> bytes:
    """One event as a compact encoder writes it."""
    choice = {"index": 0, "delta": {delta: text}, "logprobs": None, "finish_reason": finish}
    event = {"id": "1", "choices": [choice], "usage": None, **more}
    return b"data: " + json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def framed(first: bytes) -> ChunkFrame:
    frame = ChunkFrame.of(first)
    assert frame is not None
    return frame


texts = st.text(st.characters(exclude_categories=["Cs"]))
KEY = "sk-planted-Zq7XyR4mW9aK2vLq8tB"
DONE = b"data: [DONE]\n\n"


@settings(deadline=None)
@given(texts, texts, st.sampled_from(["content", "reasoning_content"]))
def test_any_text_fits(first: str, then: str, delta: str) -> None:
    """Whatever the model writes, quotes and line breaks too: the frame of one part is that of the next."""
    assert framed(part(first, delta=delta)).holds(part(then, delta=delta))


@settings(deadline=None)
@given(texts, st.text("abc123-_+/=", max_size=20), st.text("abc123-_+/=", max_size=20))
def test_noise_does_not_count(text: str, first: str, then: str) -> None:
    """OpenAI's padding differs from part to part."""
    frame = framed(part("a", obfuscation=first))
    assert frame.holds(part(text, obfuscation=then))
    assert not frame.holds(part(text, obfuscation=then + '"')) and not frame.holds(part(text))
    assert not framed(part("a")).holds(part(text, obfuscation=then))


@pytest.mark.parametrize(
    "other",
    [
        part("a", finish="stop"),
        part(None),
        part("a", usage={"prompt_tokens": 1}),
        part("a", id="2"),
        part("a") + part("b"),
        part("a")[:-1],
        part("a")[1:],
        part("a").replace(b'"a"', b'"a"},"finish_reason":"stop","x":{"y":"a"'),
        part("a").replace(b'"a"', b'"\\"'),
        part("a").replace(b'"a"', b'"a\nb"'),
        part("a").replace(b'"a"', b'"a\\\nb"'),
        part("a").replace(b'"a"', b'"'),
        DONE,
        b"",
    ],
)
def test_nothing_else_fits(other: bytes) -> None:
    """Another member, another value, half an event or two, a text that ends early or not at all."""
    assert not framed(part("a")).holds(other)


@pytest.mark.parametrize("odd", [DONE, part(None), part("a").replace(b',"usage"', b',\ndata: "usage"')])
def test_what_has_no_frame(odd: bytes) -> None:
    """What holds no text, and an event of several lines."""
    assert ChunkFrame.of(odd) is None


def test_the_shortest_part_is_not_taken_for_two_halves_that_overlap() -> None:
    """A part's beginning and end may not share bytes."""
    frame = framed(b'{"content":"""\n\n')
    assert not frame.holds(b'{"content":"\n\n') and not frame.holds(b'{"content":""\n\n')


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=2), st.sampled_from([{}, {"obfuscation": "x"}]), st.data())
def test_a_stream_is_read_the_same_in_whatever_pieces(
    said: list[str], more: dict[str, str], data: st.DataObject
) -> None:
    """Part by part, where frames are compared, or cut anywhere, where they often cannot be."""
    events = [*(part(text, **more) for text in said), part("", finish="stop", **more), DONE]
    whole = b"".join(events)
    cut = data.draw(st.integers(0, len(whole)))
    for pieces in (events, [whole], [whole[:cut], whole[cut:]], [*events[:2], *(b"".join(events[2:]), b"more")]):
        reader = StreamReader(False)
        assert b"".join(map(reader.feed, pieces)) + reader.end() == whole
        assert (reader.parts, reader.tokens, reader.failure) == (len(said) + 1, len(said) - 1, None)


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (b'data: {"error":{"message":"no"}}\n\n', "error_in_answer"),
        (
            part("a").replace(b'"a"', b'"a"}}],"error":{"message":"no"},"choices":[{"delta":{"content":"a"'),
            "error_in_answer",
        ),
        (b"data: <html>\n\n", "malformed"),
        (b"", "truncated"),
    ],
)
def test_trouble_behind_a_frame_is_seen(odd: bytes, kind: str) -> None:
    """However many parts looked alike before it."""
    reader = StreamReader(False)
    parts = [part("a"), part("b"), part("c")]
    assert [reader.feed(piece) for piece in [*parts, odd]] == [*parts, b""]
    reader.end()
    assert reader.failure is not None and reader.failure.kind == kind
    assert reader.feed(part("d")) == b""


def test_usage_and_tool_calls_behind_a_frame_are_seen() -> None:
    """The usage is taken and kept from a client that did not ask for it; arguments are checked."""
    reader = StreamReader(False)
    call = part("x").replace(b'{"content":"x"}', b'{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}')
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'
    out = b"".join(map(reader.feed, [part("a"), part("b"), call, part("c"), part("d"), usage, DONE])) + reader.end()
    assert out == part("a") + part("b") + call + part("c") + part("d") + DONE
    assert reader.usage == Usage(input=7, output=5)
    assert reader.failure is not None and reader.failure.kind == "bad_tool_arguments"


@pytest.mark.parametrize("more", [{}, {"obfuscation": KEY}, {"obfuscation": "x"}])
def test_a_secret_behind_a_frame_is_seen(more: dict[str, str]) -> None:
    """In a text, whole or within one, and in the noise: stars are relayed, and a short text is not looked into."""
    reader = StreamReader(False, Redactor([KEY]))
    parts = [part(text, **more) for text in ("a", "b", KEY, f"you sent {KEY}!", "c")]
    stars = [piece.replace(KEY.encode(), b"*" * len(KEY)) for piece in parts]
    assert [reader.feed(piece) for piece in parts] == stars


def test_a_secret_in_a_streams_error() -> None:
    """What the failure says of it, and what it shows, is redacted; so is an event that no blank line closed."""
    reader = StreamReader(False, Redactor([KEY]))
    reader.feed(b'data: {"error":{"message":"bad key %b"}}\n\n' % KEY.encode())
    assert reader.failure is not None and KEY not in f"{reader.failure.message}{reader.failure.body!r}"
    unclosed = StreamReader(False, Redactor([KEY]))
    unclosed.feed(part("a"))
    unclosed.feed(part(KEY)[:-2])
    assert KEY.encode() not in unclosed.end()
