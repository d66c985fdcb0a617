"""The head of an answer as bytes: its status line, and its headers as one block in which nothing can begin a line.

Headers that frame the answer are not in the block: the server sets them.
"""

from collections.abc import Sequence
from operator import itemgetter

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE

Headers = Sequence[tuple[bytes, bytes]]

OURS = frozenset({b"content-length", b"transfer-encoding", b"connection"})
# What a header line must not hold beyond its own CR and LF; a tab is allowed (RFC 9110, 5.5).
CONTROLS = bytes(set(range(32)) - {9}) + b"\x7f"
STATUS = {status: line.removesuffix(b"\r\n") for status, line in STATUS_LINE.items()}
_MOST_NAMES = 1024  # known to be good: those of answers are few

_name_of = itemgetter(0)
_line = b": ".join
_known: set[bytes] = set()


class BegunHeaders(list[tuple[bytes, bytes]]):
    """Headers of one answer, the first of which many answers have: those are written and checked once for all.

    `lines` is the block of the first `begun`, None where that has none. More are added behind them, and nothing else is
    done to the list.
    """

    __slots__ = ("begun", "lines")

    def __init__(self, first: Headers, lines: bytes | None) -> None:
        super().__init__(first)
        self.begun = len(first)
        self.lines = lines


def block(headers: Headers) -> bytes | None:
    """The headers as lines, with a break before each; None where one of `OURS` or a control character is among them.

    Raises RuntimeError for what is no name.
    """
    if type(headers) is BegunHeaders and headers.lines is not None:
        rest = block(headers[headers.begun :])
        return None if rest is None else headers.lines + rest
    if not headers:
        return b""
    if not _known.issuperset(map(_name_of, headers)):
        headers = [(_lower(name), value) for name, value in headers]
        if not OURS.isdisjoint(map(_name_of, headers)):
            return None
    lines = b"\r\n".join(map(_line, headers))
    # Between the lines are ours; one more anywhere, and somebody's value begins a line.
    if len(lines.translate(None, CONTROLS)) != len(lines) - 2 * (len(headers) - 1):
        return None
    return b"\r\n" + lines


def _lower(name: bytes) -> bytes:
    """The name in lower case, known from now on unless it is one of `OURS`."""
    lower = name.lower()
    if lower not in _known:
        if not lower or HEADER_RE.search(lower):
            raise RuntimeError(f"invalid header name {name!r}")
        if lower not in OURS and len(_known) < _MOST_NAMES:
            _known.add(lower)
    return lower
