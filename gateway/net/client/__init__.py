"""The upstream seam: what an attempt sends, what it gets back, and who carries it.

A `Transport` sends one `Request` and returns a `Response` as soon as the header block is in. It knows nothing of
models, retries or fallbacks. Transports raise `ProviderError`, and `GatewayError` for a request that cannot be written
(a path that is not printable ASCII, a line break inside a header):

    kind "connect"    no connection was made, or a pooled one was closed before a byte of the request went out
    kind "lost"       the connection broke, or was reset, before the header block of the answer was complete, and not
                      for being kept (`is_stale`)
    kind "malformed"  the answer is not HTTP
    kind "truncated"  the body ended before its framing said so (raised from `Response.chunks` and `Response.whole`)

Time limits other than the connect timeout belong to the caller, who cancels: a cancelled `send` or `chunks`, and an
`aclose` before the body's end, close the connection so that upstream sees the client leave. A body read to its end
returns the connection to the pool. Redirects are never followed, nothing is read from the environment, and content
encodings are left as they are.

An `Upload` goes out as it comes in, as fast as the peer takes it. Whatever ends it early (its chunks raise, the caller
cancels) closes the connection before the request is whole, and comes out of `send`. An answer that begins before the
upload is through ends it: the rest is never asked for, and the connection serves nothing else.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from gateway.errors import Headers, ProviderError

__all__ = [
    "Chunks", "Headers", "Origin", "PulledChunks", "Request", "Response", "Transport", "Upload", "encoding_of",
    "header", "is_stale", "join", "too_large",
]  # fmt: skip


class Origin(NamedTuple):
    """Destination of connections: `scheme` is http or https; pools are kept per origin."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is not held: its bytes as they come, never an empty chunk. `length` is how many there will be, None
    where nobody knows; it then goes out chunked. Fewer or more bytes than that raise GatewayError."""

    chunks: AsyncIterator[bytes]
    length: int | None


@dataclass(slots=True)
class Request:
    """An HTTP request. `path` begins with `/` and holds the query; `headers` has lower-case names. The transport writes
    host, content-length and transfer-encoding itself. `upload` takes the place of `body`.
    `connect_seconds` bounds the making of a connection for it, None for the transport's own limit. With `addresses` a
    new connection goes to the first of them that answers, and the origin's name is not resolved again (lean alone).
    """

    method: str
    origin: Origin
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    upload: Upload | None = None
    connect_seconds: float | None = None
    addresses: Sequence[str] = ()


STALE_SECONDS = 1.0
"""A server that closes a kept connection does so within a round trip of the request that it crosses with. What is lost
later was being worked on, and may have been billed."""


def is_stale(request: Request, waited: float) -> bool:
    """Return whether a request is to be sent once more, on a fresh connection.

    It went out on a kept one, which ended after `waited` seconds without a byte of an answer.
    """
    return request.upload is None and waited < STALE_SECONDS


class Chunks(Protocol):
    """A body as it comes in, framing removed, never an empty chunk."""

    def __aiter__(self) -> Self: ...

    def __anext__(self) -> Awaitable[bytes]: ...

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        """Call `into` with the bytes as they come.

        Return True once it has answered False (the rest may be read on), False at the end of the body. Raises what
        `into` raises, and the ProviderError that broke the body off.
        """


class PulledChunks:
    """`Chunks` of a generator: each is asked for."""

    __slots__ = ("_parts", "aclose")

    def __init__(self, parts: AsyncGenerator[bytes]) -> None:
        self._parts = parts
        self.aclose = parts.aclose

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self._parts.__anext__()

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        async for chunk in self._parts:
            if not into(chunk):
                return True
        return False


class Response(Protocol):
    """An answer whose header block is in. Header names are lower-case.

    `encoding` is its content encoding in lower case, b"" for none. Read `chunks` or `whole` once, then or instead
    `aclose`.
    """

    status: int
    headers: Headers
    encoding: bytes

    def chunks(self) -> Chunks:
        """Return the body as it comes in."""

    async def whole(self, limit: int) -> bytes:
        """The body in one piece. Raises ProviderError("malformed") when it is longer than `limit` bytes."""

    async def aclose(self) -> None:
        """Let go of the connection: back to the pool after a whole body, closed otherwise. Safe to call twice."""


class Transport(Protocol):
    """Send requests over connections, pooled per origin."""

    async def send(self, request: Request) -> Response: ...

    async def aclose(self) -> None: ...


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first value of the header with that lower-case name, or None."""
    for key, value in headers:
        if key == name:
            return value
    return None


async def join(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """Join all chunks. Raises ProviderError("malformed") as soon as they exceed `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
    return b"".join(parts)


def too_large(limit: int) -> ProviderError:
    """The error of a body that is longer than `limit` bytes."""
    return ProviderError("malformed", f"the provider's answer is larger than {limit} bytes")


def encoding_of(headers: Headers) -> bytes:
    """The content encoding that the headers name, in lower case; b"" for none and for identity."""
    encoding = (header(headers, b"content-encoding") or b"").strip().lower()
    return b"" if encoding == b"identity" else encoding
