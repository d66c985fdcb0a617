"""AWS's binary event streams, cut into events."""

import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProviderError
from gateway.formats.bedrock._framing import EventStreamFramer
from tests.gateway.formats.bedrock.wire import event, exception, message, recorded

STREAM = recorded("tools.jsonl")
# A header of each type but text: true, false, byte, short, integer, long, bytes, timestamp, uuid.
HEADERS = b"".join(
    b"\x01a" + bytes([kind]) + value
    for kind, value in [(0, b""), (1, b""), (2, b"1"), (3, b"12"), (4, b"1234"), (5, b"12345678"), (6, b"\0\x02hi"),
                        (8, b"12345678"), (9, b"1234567890123456")]
)  # fmt: skip


def cut(*pieces: bytes) -> list[tuple[str, bytes]]:
    framer = EventStreamFramer()
    return [(frame.name, frame.data) for piece in pieces for frame in framer.feed(piece)]


def test_as_the_official_sdk_reads_it() -> None:
    """Types and payloads are those that botocore finds in the same bytes."""
    buffer: Any = EventStreamBuffer()
    buffer.add_data(STREAM)
    assert cut(STREAM) == [(each.headers[":event-type"], each.payload) for each in buffer]


def test_cut_at_every_byte() -> None:
    """Wherever the network cuts the stream, the events are the same, and so are the bytes in all."""
    whole = cut(STREAM)
    for index in range(1, len(STREAM)):
        assert cut(STREAM[:index], STREAM[index:]) == whole
    assert cut(*(STREAM[index : index + 1] for index in range(len(STREAM)))) == whole
    assert b"".join(frame.raw for frame in EventStreamFramer().feed(STREAM)) == STREAM


def test_headers_of_every_type() -> None:
    """Those that are no text are stepped over."""
    assert cut(message({":event-type": "ping"}, b"{}", HEADERS)) == [("ping", b"{}")]


def test_exceptions_and_errors() -> None:
    """An exception goes by its type; an error, which has no payload, by that word."""
    told = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "sorry"}
    named, unnamed = cut(exception("throttlingException", b'{"message":"slow"}') + message(told, b""))
    assert named == ("throttlingException", b'{"message":"slow"}')
    assert (unnamed[0], json.loads(unnamed[1])) == ("error", {"message": "sorry", "code": "InternalFailure"})


def test_a_stream_that_ends_inside_a_message() -> None:
    """What is left over at the end was cut off."""
    framer = EventStreamFramer()
    assert list(framer.feed(STREAM[:-1]))
    with pytest.raises(ProviderError):
        framer.end()
    assert EventStreamFramer().end() == ()


@pytest.mark.parametrize("index", range(len(event("messageStart", b"{}"))))
def test_a_flipped_bit(index: int) -> None:
    """Checksums find it wherever it is; a length that is wrong is not waited for."""
    broken = bytearray(event("messageStart", b"{}"))
    broken[index] ^= 1
    with pytest.raises(ProviderError) as caught:
        cut(bytes(broken))
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    "broken",
    [
        message({}, b"", b"\x05ab"),
        message({}, b"", b"\x01a\x0b"),
        message({}, b"", b"\x01a\x07\0\x09x"),
        message({}, b"\0" * (16 << 20)),
        b"HTTP/1.1 502 Bad",
    ],
    ids=["name", "type", "value", "length", "text"],
)
def test_what_is_no_message(broken: bytes) -> None:
    """Headers that do not add up, a message without end, and what is no event stream at all."""
    with pytest.raises(ProviderError) as caught:
        cut(broken)
    assert caught.value.kind == "malformed"


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_hostile_bytes(headers: bytes, payload: bytes) -> None:
    """Whatever comes in is events or a ProviderError."""
    for stream in (headers, message({}, payload, headers)):
        try:
            cut(stream)
        except ProviderError as error:
            assert error.kind == "malformed"


def test_what_came_before_a_broken_message_is_read() -> None:
    """In one piece with it, or in another: the answer's last words are not lost with what cannot be read."""
    found, framer = [], EventStreamFramer()
    with pytest.raises(ProviderError):
        for frame in framer.feed(event("contentBlockDelta", b"{}") + b"junk that is no prelude"):
            found.append(frame.name)
    assert found == ["contentBlockDelta"]
