"""The head of an answer as bytes: its status line, and its headers as one block in which nothing can begin a line.

Headers that frame the answer are not in the block: the server sets them.
"""

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE

Headers = Sequence[tuple[bytes, bytes]]

OURS = frozenset({b"content-length", b"transfer-encoding", b"connection"})
# What a header line must not hold beyond its own CR and LF; a tab is allowed (RFC 9110, 5.5).
CONTROLS = bytes(set(range(32)) - {9}) + b"\x7f"
_WITHOUT_CONTROLS = bytes.maketrans(CONTROLS, b" " * len(CONTROLS))
STATUS = {status: line.removesuffix(b"\r\n") for status, line in STATUS_LINE.items()}
# Stands where a line of ours would begin: a control character, so that a block with one fails its check.
_REFUSED = b"\0"
# Names kept with the beginnings of their lines: those of answers are few.
_MOST_NAMES = 1024


class _Beginnings(dict[bytes, bytes]):
    """By the name of a header the beginning of its line: the name in lower case, a colon, a blank.

    Raises RuntimeError for what is no name.
    """

    def __missing__(self, name: bytes) -> bytes:
        if not name or HEADER_RE.search(name):
            raise RuntimeError(f"invalid header name {name!r}")
        lower = name.lower()
        beginning = _REFUSED if lower in OURS else lower + b": "
        if len(self) >= _MOST_NAMES:
            self.clear()
        self[name] = beginning
        return beginning


_BEGINNINGS = _Beginnings()


def block(headers: Headers) -> bytes | None:
    """The headers as lines, with a break before each; None where one of `OURS` or a control character is among them.

    Raises RuntimeError for what is no name.
    """
    if not headers:
        return b""
    beginnings = _BEGINNINGS
    lines = [beginnings[name] + value for name, value in headers]
    text = b"".join(lines)
    if text.translate(_WITHOUT_CONTROLS) != text:
        return None
    return b"\r\n" + b"\r\n".join(lines)
