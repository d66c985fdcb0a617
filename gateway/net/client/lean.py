"""The lean transport: HTTP/1.1 over asyncio and httptools, without a task or a lock per call.

It works under asyncio and uvloop alike. Redirects, proxies, cookies, HTTP/2 and content encodings are not its business.
A request is written once, but for a pooled connection. Where that turns out closed before the first byte was written,
the next one is taken. Where it ends at once without a byte of an answer, a fresh one is made, once (decision 38).
`Upgrade` is never asked for, so 101 is malformed.
"""

from asyncio import CancelledError
from ssl import SSLContext

from gateway.errors import ProviderError
from gateway.net.client import Origin, Request, is_stale
from gateway.net.client.lean_connection import Unanswered, Unsent
from gateway.net.client.lean_pool import Pool
from gateway.net.client.lean_response import LeanResponse
from gateway.net.client.lean_upload import send_upload
from gateway.net.client.options import TransportOptions
from gateway.net.client.trust import tls_context
from gateway.net.client.writing import head_of, host_of


class LeanTransport:
    """A `Transport`. Belongs to the event loop in which it sends."""

    def __init__(self, options: TransportOptions) -> None:
        """Read `ca_file`, if any. Raises OSError when it cannot be read."""
        self._options = options
        is_own = options.ca_file is not None or options.client_certificate is not None
        self._tls: SSLContext | None = tls_context(options) if is_own else None
        self._pools: dict[Origin, tuple[Pool, str]] = {}
        self._closed = False

    async def send(self, request: Request) -> LeanResponse:
        pool, host = self._pools.get(request.origin) or self._pool(request.origin)
        head = head_of(request, host)
        connection = pool.take() or await pool.wait(request.connect_seconds, request.addresses)
        if request.upload is not None:
            return await send_upload(connection, head, request.upload)
        may_repeat = True
        while True:
            written_at = connection.loop.time()
            answer = connection.exchange(head, request.body, bodiless=request.method == "HEAD")
            try:
                await answer.begun
                return answer
            except CancelledError:
                answer.leave()
                raise
            except Unsent:
                if connection.is_fresh():
                    raise
                connection = pool.take() or await pool.wait(request.connect_seconds, request.addresses)
            except Unanswered:
                if self._closed or not may_repeat or not is_stale(request, connection.loop.time() - written_at):
                    raise
                may_repeat = False
                connection = await pool.wait(request.connect_seconds, request.addresses)

    async def aclose(self) -> None:
        """Close all connections, busy ones too: their answers end as lost or truncated."""
        self._closed = True
        for pool, _ in self._pools.values():
            await pool.aclose()

    def _pool(self, origin: Origin) -> tuple[Pool, str]:
        if origin.scheme not in ("http", "https"):
            raise ProviderError("connect", f"scheme {origin.scheme!r} is neither http nor https")
        if self._closed:
            raise ProviderError("connect", "the transport is closed")
        entry = Pool(origin, self._options, self._context() if origin.scheme == "https" else None), host_of(origin)
        self._pools[origin] = entry
        return entry

    def _context(self) -> SSLContext:
        """Make the TLS context once, when first wanted: reading the system's authorities takes about 20 ms."""
        if self._tls is None:
            self._tls = tls_context(self._options)
        self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
