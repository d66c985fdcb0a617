"""The head of an answer as bytes: its status line, and its headers as one block in which nothing can begin a line.

Headers that frame the answer are not in the block: the server sets them.
"""

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE

Headers = Sequence[tuple[bytes, bytes]]

OURS = frozenset({b"content-length", b"transfer-encoding", b"connection"})
# What a header line must not hold beyond its own CR and LF; a tab is allowed (RFC 9110, 5.5).
CONTROLS = bytes(set(range(32)) - {9}) + b"\x7f"
STATUS = {status: line.removesuffix(b"\r\n") for status, line in STATUS_LINE.items()}
# Stands where a header of ours would begin, so that a block with one fails its check.
_REFUSED = b"\0"
# Names kept with the beginnings of their lines: those of answers are few.
_MOST_NAMES = 1024


class _Beginnings(dict[bytes, bytes]):
    """By the name of a header the break before its line, and its beginning: the name in lower case, a colon, a blank.

    Raises RuntimeError for what is no name.
    """

    def __missing__(self, name: bytes) -> bytes:
        if not name or HEADER_RE.search(name):
            raise RuntimeError(f"invalid header name {name!r}")
        lower = name.lower()
        beginning = _REFUSED if lower in OURS else b"\r\n%b: " % lower
        if len(self) >= _MOST_NAMES:
            self.clear()
        self[name] = beginning
        return beginning


_BEGINNINGS = _Beginnings()


def block(headers: Headers) -> bytes | None:
    """The headers as lines, with a break before each; None where one of `OURS` or a control character is among them.

    Raises RuntimeError for what is no name.
    """
    beginnings = _BEGINNINGS
    lines = [beginnings[name] + value for name, value in headers]
    whole = b"".join(lines)
    breaks = len(whole) - len(whole.translate(None, CONTROLS))
    return whole if breaks == 2 * len(lines) else None
