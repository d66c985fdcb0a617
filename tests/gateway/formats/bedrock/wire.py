"""Recorded streams of Converse, and AWS's binary framing to put them on the wire."""

import json
import struct
from pathlib import Path
from zlib import crc32

from gateway.formats.answer import Event
from gateway.formats.bedrock._framing import EventStreamFramer
from gateway.formats.bedrock.provider_stream import ConverseParser

RECORDINGS = Path(__file__).parents[3] / "recordings" / "bedrock"


def recorded(name: str) -> bytes:
    """A stream as it is on the wire: a line of the recording is the type of an event and its payload."""
    lines = [json.loads(line) for line in (RECORDINGS / name).read_bytes().split(b"\n") if line]
    return b"".join(event(kind, json.dumps(payload).encode()) for kind, payload in lines)


def event(kind: str, payload: bytes) -> bytes:
    return message({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind: str, payload: bytes) -> bytes:
    return message({":exception-type": kind, ":message-type": "exception"}, payload)


def message(headers: dict[str, str], payload: bytes, more_headers: bytes = b"") -> bytes:
    """One message; `more_headers` are encoded already."""
    block = more_headers + b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    prelude += struct.pack(">I", crc32(prelude))
    body = prelude + block + payload
    return body + struct.pack(">I", crc32(body))


def _header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    return bytes([len(name_bytes)]) + name_bytes + b"\x07" + struct.pack(">H", len(value_bytes)) + value_bytes


def events(*pieces: bytes) -> list[Event]:
    """What a parser makes of a stream that comes in these pieces."""
    framer, parser = EventStreamFramer(), ConverseParser()
    frames = [frame for piece in pieces for frame in framer.feed(piece)] + list(framer.end())
    found = [each for frame in frames for each in parser.take(frame.name, frame.data)]
    return [*found, *parser.end()]
