"""Bodies out of their content encoding, chunk by chunk and within bounds.

We ask providers for identity. Some compress all the same; gzip and deflate are undone here, anything else is refused
when the body is read, so that the status of the answer stays visible.
"""

import zlib
from collections.abc import AsyncGenerator, Iterator

from gateway.errors import Headers, ProviderError
from gateway.net.client import Chunks, PulledChunks, Response, join

MAX_DECODED = 32 * 1024 * 1024
"""Bytes a body may decode to: RELIABILITY's bound on what is read of an answer."""

MAX_RATIO = 100
"""Bytes out for one byte in. JSON and SSE of language models stay below 20; zlib can reach 1,032."""

_RATIO_FROM = 1024 * 1024  # bytes out before the ratio says anything: short repetitive answers are no bombs
_PIECE = 64 * 1024  # most bytes that are decoded at a time

_WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}  # zlib's: 31 wants a gzip header, 15 a zlib one


def decoded(response: Response, limit: int = MAX_DECODED) -> Response:
    """The response with its content encoding undone; itself when it has none.

    Reading the chunks raises ProviderError("malformed") for an encoding we do not know, corrupt data, or more than
    `limit` bytes out.
    """
    return DecodedResponse(response, limit) if response.encoding else response


class DecodedResponse:
    """A response as it was before its encoding, without the headers that spoke of it."""

    __slots__ = ("_body", "_inner", "_limit", "encoding", "headers", "status")

    def __init__(self, inner: Response, limit: int) -> None:
        self.status = inner.status
        self.encoding = b""
        self.headers: Headers = [
            item for item in inner.headers if item[0] not in (b"content-encoding", b"content-length")
        ]
        self._inner = inner
        self._limit = limit
        self._body: PulledChunks | None = None

    def chunks(self) -> Chunks:
        self._body = PulledChunks(self._read())
        return self._body

    async def whole(self, limit: int) -> bytes:
        return await join(self.chunks(), limit)

    async def aclose(self) -> None:
        if self._body is not None:
            await self._body.aclose()
        await self._inner.aclose()

    async def _read(self) -> AsyncGenerator[bytes]:
        try:
            inflater = Inflater(self._inner.encoding, self._limit)
            async for chunk in self._inner.chunks():
                for piece in inflater.feed(chunk):
                    yield piece
            inflater.finish()
        finally:
            await self._inner.aclose()


class Inflater:
    """Undoes gzip or deflate, sans I/O. Raises ProviderError("malformed") and is of no use after it."""

    def __init__(self, encoding: bytes, limit: int) -> None:
        if encoding not in _WINDOW_BITS:
            raise ProviderError(
                "malformed", f"content-encoding {encoding[:80]!r}, but the gateway accepts only identity"
            )
        self._encoding = encoding
        self._limit = limit
        self._head = b""
        self._zlib: zlib._Decompress | None = None
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode `data` into pieces of at most 64 kB."""
        self._in += len(data)
        data, self._head = self._head + data, b""
        if self._zlib is None and len(data) < 2:  # too little to tell which deflate it is
            self._head = data
            return
        piece = b""
        while data or len(piece) == _PIECE:  # a full piece may leave output inside zlib without any input
            piece, data = self._step(data)
            if piece:
                yield piece

    def finish(self) -> None:
        """The body has ended: so must its encoding have."""
        if self._head or (self._zlib is not None and not self._zlib.eof):
            raise self._corrupt("it ends early")

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        inflate = self._zlib
        if inflate is None or (inflate.eof and data):  # gzip may consist of several members (RFC 1952, 2.2)
            inflate = self._zlib = zlib.decompressobj(self._window_bits(data))
        try:
            piece = inflate.decompress(data, _PIECE)
        except zlib.error as error:
            raise self._corrupt(str(error)) from error
        self._out += len(piece)
        self._guard()
        return piece, inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def _window_bits(self, data: bytes) -> int:
        """zlib's. Some servers send deflate without the zlib header that RFC 9110, 8.4.1.2 wants."""
        if self._encoding == b"deflate" and (data[0] & 15 != 8 or int.from_bytes(data[:2], "big") % 31):
            return -15
        return _WINDOW_BITS[self._encoding]

    def _guard(self) -> None:
        if self._out > self._limit:
            raise ProviderError("malformed", f"the answer decodes to more than {self._limit} bytes")
        if self._out > _RATIO_FROM and self._out > MAX_RATIO * self._in:
            raise ProviderError("malformed", f"the answer decodes to more than {MAX_RATIO} times its size")

    def _corrupt(self, why: str) -> ProviderError:
        return ProviderError("malformed", f"the answer's {self._encoding.decode()} body is corrupt: {why}")
