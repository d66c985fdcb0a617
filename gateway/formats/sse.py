"""Server-sent events as bytes (WHATWG HTML, 9.2): cut only at \\n, \\r\\n and \\r, never decoded as a whole.

U+2028 is legal inside a JSON string and `bytes.splitlines` cuts at \\v and \\f in text only, so lines are found by
expression.
"""

import re

MAX_EVENT_BYTES = (1 << 20) + (1 << 16)  # a line of 1 MB, and its neighbours

_LINE_END = re.compile(rb"\r\n|\n|\r")
# The end of a line and all blank lines behind it: a run of them ends one event, and is not an event for each line.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)++")
_BOUNDARIES = (b"\n\n", b"\n\r\n", b"\r\r")


class Cutter:
    """Cuts a stream into blocks of whole events; the beginning of the next one is kept."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = bytearray()

    @property
    def overflows(self) -> bool:
        """Return whether an event is longer than any sensible one."""
        return len(self.kept) > MAX_EVENT_BYTES

    def feed(self, chunk: bytes) -> bytes:
        """The events that are complete now, b"" when there are none yet."""
        kept = self.kept
        if not kept:
            end = complete_until(chunk)
            kept += chunk[end:]
            return chunk[:end]
        known = len(kept)
        kept += chunk
        end = complete_until(kept, known)
        block = bytes(kept[:end])
        del kept[:end]
        return block


def complete_until(buffer: bytes | bytearray, known: int = 0) -> int:
    """The index behind the last whole event in the buffer, 0 when there is none; none ends in its first `known` bytes.

    With those, a long line that comes in small pieces is looked at once and not with every piece.
    """
    if buffer.endswith(_BOUNDARIES):  # the usual packet: whole events
        return len(buffer)
    start = max(known - 2, 0)
    return max(end + len(mark) if (end := buffer.rfind(mark, start)) >= 0 else 0 for mark in _BOUNDARIES)


def split(block: bytes) -> list[bytes]:
    """The events of a block that ends at an event's end, each with the blank lines that close it."""
    events: list[bytes] = []
    start = 0
    for match in _EVENT_END.finditer(block):
        events.append(block[start : match.end()])
        start = match.end()
    return events


def data(event: bytes) -> bytes:
    """The event's data: its `data` lines joined by \\n; empty for a comment."""
    lines = [line[5:].removeprefix(b" ") for line in _LINE_END.split(event) if line.startswith(b"data:")]
    return b"\n".join(lines)


def name(event: bytes) -> str:
    """The event's `event` field, the last where there are several; '' where there is none."""
    lines = [line[6:].removeprefix(b" ") for line in _LINE_END.split(event) if line.startswith(b"event:")]
    return lines[-1].decode("utf-8", "replace") if lines else ""


def event(data: bytes, name: str = "") -> bytes:
    """A server-sent event with that data, which may have several lines."""
    lines = b"".join(b"data: %s\n" % line for line in data.splitlines())
    return (b"event: %s\n" % name.encode() if name else b"") + lines + b"\n"
