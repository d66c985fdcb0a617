"""The standard transport: the same seam over httpx2's, for proxies, HTTP/2 and odd TLS.

httpx2's transport is called directly: no client, so no redirects, cookies, .netrc, proxies from the environment, nor
decompression. Where it is laxer than the lean transport, its answers are checked here: framing given twice, and bytes
behind an answer, which httpx2 would serve to the next call. Where it says less, so do we: a body that breaks its
framing is `truncated` whether it ended early or was garbled, a kept connection that ends within the first bytes of an
answer counts as one that ended before them, and the connect timeout is granted to TCP and TLS each.
"""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast
from weakref import WeakSet

import httpx2

from gateway.errors import FailureKind, GatewayError, Headers, ProviderError
from gateway.net.client import Chunks, Origin, PulledChunks, Request, encoding_of, header, is_stale, join
from gateway.net.client.exhaustion import not_connected
from gateway.net.client.options import TransportOptions
from gateway.net.client.standard_upload import Ear, UploadStream, listen_with
from gateway.net.client.trust import tls_context
from gateway.net.client.writing import MAX_HEADER_BLOCK, framing_of, head_of, host_of

_NOT_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    OSError,
    UnicodeError,
)


class StandardResponse:
    """An answer over httpx2, its body as it came."""

    __slots__ = ("_body", "_released", "_response", "_stream", "encoding", "headers", "status")

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]
        self.encoding = encoding_of(self.headers)
        self._response = response
        self._stream = cast(httpx2.AsyncByteStream, response.stream)
        self._body: PulledChunks | None = None
        self._released = False

    def fault(self) -> str | None:
        """Return a fault of the header block that httpx2 accepts and the lean transport does not; None without one."""
        if header(self.headers, b"content-length") and header(self.headers, b"transfer-encoding"):
            return "content-length and transfer-encoding in one answer"
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEADER_BLOCK:
            return f"header block of more than {MAX_HEADER_BLOCK} bytes"
        return None

    def chunks(self) -> Chunks:
        self._body = PulledChunks(self._read())
        return self._body

    async def whole(self, limit: int) -> bytes:
        return await join(self.chunks(), limit)

    async def aclose(self) -> None:
        if self._body is not None:
            await self._body.aclose()
        await self._release()

    async def _read(self) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(cast(AsyncGenerator[bytes], aiter(self._stream))) as parts:
                async for part in parts:
                    if part:
                        yield part
        except httpx2.TransportError as error:
            raise ProviderError("truncated", f"the connection ended in the middle of the answer: {error}") from error
        finally:
            await self._release()

    async def _release(self) -> None:
        if self._released:
            return
        self._released = True
        try:
            if _has_surplus(self._response):
                await self._response.extensions["network_stream"].aclose()  # the pool drops what it finds closed
        finally:
            await self._stream.aclose()


class _Dialled:
    """Note of whether a connection was made for a request: httpcore2 calls it with every step."""

    __slots__ = ("is_fresh",)

    def __init__(self) -> None:
        self.is_fresh = False

    async def __call__(self, step: str, _info: dict[str, object]) -> None:
        self.is_fresh = self.is_fresh or step.startswith("connection.connect_")


class StandardTransport:
    """A `Transport` over httpx2."""

    def __init__(self, options: TransportOptions) -> None:
        """Read `ca_file`, if any.

        Raises OSError when it cannot be read, ValueError for HTTP/2 without the package it needs.
        """
        if options.http2 and importlib.util.find_spec("h2") is None:
            raise ValueError("http2: true needs the package h2: install it, or leave http2 out")
        self._timeout = {"connect": options.connect_timeout_seconds}  # the caller's deadlines bound all else
        self._closed = False
        self._options = options
        self._tls = tls_context(options)
        limits = httpx2.Limits(
            max_connections=options.max_connections,
            max_keepalive_connections=options.max_idle,
            keepalive_expiry=options.idle_seconds,
        )
        self._inner = self._made(limits, http2=options.http2)
        self._single = WeakSet[httpx2.AsyncHTTPTransport]()

    async def send(self, request: Request) -> StandardResponse:
        if self._closed:
            raise ProviderError("connect", "the transport is closed")
        if request.upload is not None:
            ear = Ear()
            return await self._send(request, self._for_upload(ear), ear)
        loop = asyncio.get_running_loop()
        begun_at, dialled = loop.time(), _Dialled()
        try:
            return await self._send(request, self._inner, None, dialled)
        except ProviderError as error:
            was_kept = error.kind == "lost" and not dialled.is_fresh and not self._closed
            if not (was_kept and is_stale(request, loop.time() - begun_at)):
                raise
        return await self._send(request, self._for_one())

    async def _send(
        self,
        request: Request,
        inner: httpx2.AsyncHTTPTransport,
        ear: Ear | None = None,
        trace: "_Dialled | None" = None,
    ) -> StandardResponse:
        origin = request.origin
        foreign = self._foreign(request, ear)
        if trace is not None:
            foreign.extensions["trace"] = trace
        try:
            answer = StandardResponse(await inner.handle_async_request(foreign))
        except httpx2.LocalProtocolError as error:
            raise GatewayError(f"the call cannot be sent: {error}") from error
        except _NOT_CONNECTED as error:
            raise not_connected(origin, error) from error
        except httpx2.RemoteProtocolError as error:
            raise _failure("malformed" if _names_a_rule(error) else "lost", origin, error) from error
        except httpx2.TransportError as error:
            raise _failure("lost", origin, error) from error
        return await _check(answer)

    async def aclose(self) -> None:
        self._closed = True
        for inner in (self._inner, *self._single):
            await inner.aclose()

    def _made(self, limits: httpx2.Limits, http2: bool) -> httpx2.AsyncHTTPTransport:
        return httpx2.AsyncHTTPTransport(
            verify=self._tls, trust_env=False, http2=http2, proxy=self._options.proxy, limits=limits
        )

    def _for_upload(self, ear: Ear) -> httpx2.AsyncHTTPTransport:
        """A transport for one upload, whose connection is closed after it."""
        inner = self._for_one()
        listen_with(ear, inner)
        return inner

    def _for_one(self) -> httpx2.AsyncHTTPTransport:
        """A transport whose only connection is a fresh one, and is closed after one exchange."""
        inner = self._made(httpx2.Limits(max_connections=1, max_keepalive_connections=0), http2=False)
        self._single.add(inner)
        return inner

    def _foreign(self, request: Request, ear: Ear | None) -> httpx2.Request:
        """Return the request for httpx2. The target goes beside the URL, so that nothing in it is quoted again."""
        origin = request.origin
        if origin.scheme not in ("http", "https"):
            raise ProviderError("connect", f"scheme {origin.scheme!r} is neither http nor https")
        host = host_of(origin)
        head_of(request, host)  # for its checks
        headers: list[tuple[bytes, bytes]] = request.headers
        content: bytes | UploadStream | None = request.body or None
        if request.upload is not None and ear is not None:
            name, _, value = framing_of(request.upload).partition(b": ")
            headers, content = [*headers, (name, value)], UploadStream(request.upload, ear)
        timeout = self._timeout if request.connect_seconds is None else {"connect": request.connect_seconds}
        return httpx2.Request(
            request.method,
            f"{origin.scheme}://{host}/",
            headers=headers,
            content=content,
            extensions={"timeout": timeout, "target": request.path.encode("ascii")},
        )


async def _check(answer: StandardResponse) -> StandardResponse:
    if (fault := answer.fault()) is None:
        return answer
    await answer.aclose()
    raise ProviderError("malformed", f"not a proper HTTP answer: {fault}")


def _failure(kind: FailureKind, origin: Origin, error: Exception) -> ProviderError:
    reason = str(error) or type(error).__name__
    return ProviderError(kind, f"{origin.scheme}://{origin.host}:{origin.port}: {reason}")


def _names_a_rule(error: httpx2.RemoteProtocolError) -> bool:
    """Return whether the parser complained: httpcore2 wraps the parser's own error then, but no error when the peer
    left."""
    cause = error.__cause__
    return cause is not None and bool(cause.args) and isinstance(cause.args[0], Exception)


def _has_surplus(response: httpx2.Response) -> bool:
    """Return whether bytes came behind an HTTP/1.1 answer. httpcore2 shows them in a private attribute only; without it
    the answer is True, which costs a connection but never mixes two answers."""
    if response.extensions.get("http_version") == b"HTTP/2":
        return False
    found: object = response.stream
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state", "trailing_data"):
        found = getattr(found, name, None)
    return not (isinstance(found, tuple) and found[0] == b"")
