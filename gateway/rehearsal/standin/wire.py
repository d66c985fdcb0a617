"""Bytes of HTTP/1.1 and the script a connection plays: steps with their waits, and how it ends. No I/O."""

import math
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Literal, NamedTuple

from .books import Bill

Header = tuple[bytes, bytes]
End = Literal[
    "keep",  # the answer is whole: the connection goes on if both sides want it
    "close",  # FIN
    "reset",  # RST
    "hang",  # nothing more, until the client leaves
]

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Site is overloaded"}
_LIMITS = (
    b"openai-organization: standin\r\nopenai-version: 2020-10-01\r\n"
    b"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
)
_LEFT = (
    b"x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 1999000\r\n"
    b"x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 30ms\r\n"
)
_SPENT = (
    b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-remaining-tokens: 0\r\n"
    b"x-ratelimit-reset-requests: %ds\r\nx-ratelimit-reset-tokens: %ds\r\n"
)


class StandinRequest(NamedTuple):
    """A whole HTTP request. `path` is without its query."""

    method: str
    path: str
    query: str
    headers: tuple[Header, ...]
    body: bytes
    http11: bool

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class WireStep(NamedTuple):
    """Seconds to wait, bytes to send then, and what they charge."""

    after: float
    data: bytes
    bill: Bill | None = None


class WireScript(NamedTuple):
    """Steps of a connection for one request."""

    steps: Iterable[WireStep]
    end: End = "keep"


def head(status: int, headers: bytes) -> bytes:
    """Status line and header block; `headers` are whole lines, each with its CRLF."""
    return b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, _REASONS.get(status, "Error").encode(), headers)


def reply(status: int, body: bytes, kind: bytes = JSON, more: Sequence[Header] = ()) -> WireScript:
    """A whole answer at once."""
    lines = b"content-type: %s\r\ncontent-length: %d\r\n%s" % (kind, len(body), lines_of(more))
    return WireScript((WireStep(0.0, head(status, lines) + body),))


def lines_of(headers: Iterable[Header]) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)


def provider_lines(request_id: str, seconds: float, spent_for: float | None = None) -> bytes:
    """The headers that every answer of a provider carries; `spent_for` seconds the rate limit stays used up."""
    limits = _LEFT if spent_for is None else _SPENT % (math.ceil(spent_for), math.ceil(spent_for))
    own = f"x-request-id: {request_id}\r\nopenai-processing-ms: {seconds * 1000:.0f}\r\n"
    return own.encode() + _LIMITS + limits


def chunk(data: bytes) -> bytes:
    """Write one chunk of a chunked body; nothing for nothing, as an empty chunk would end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def framed(opening: bytes, steps: Iterable[WireStep], *, chunked: bool, closed: bool = True) -> Iterator[WireStep]:
    """`steps` as the body under the head `opening`, which goes out with the first; `closed` adds the last chunk."""
    for step in steps:
        yield step._replace(data=opening + (chunk(step.data) if chunked else step.data))
        opening = b""
    if opening or (chunked and closed):
        yield WireStep(0.0, opening + (LAST_CHUNK if chunked and closed else b""))
