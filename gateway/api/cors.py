"""Cross-origin calls from browsers: off unless the configuration lists the origin (Fetch standard, 3.2)."""

from collections.abc import Awaitable

from gateway.api.endpoint import Handler, Services, header
from gateway.net.asgi import Message, PlainReceive, PlainSend, Scope

_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = (b"access-control-expose-headers", b"*")  # x-request-id, retry-after and the like; never with credentials


class Cors:
    """Wraps an endpoint. A request without `Origin`, or from an origin that is not listed, passes as if it were not
    there; a browser then keeps the answer from the page."""

    def __init__(self, services: Services, endpoint: Handler) -> None:
        self._services = services
        self._endpoint = endpoint

    def __call__(self, scope: Scope, receive: PlainReceive, send: PlainSend) -> Awaitable[None]:
        allowed = self._services.runtime.cors
        origin = header(scope, b"origin") if allowed else None
        if origin is None or origin.decode("latin-1") not in allowed:
            return self._endpoint(scope, receive, send)
        return self._answer(origin, scope, receive, send)

    async def _answer(self, origin: bytes, scope: Scope, receive: PlainReceive, send: PlainSend) -> None:
        headers = [(b"access-control-allow-origin", origin), (b"vary", b"origin"), _EXPOSED]
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            await send({"type": "http.response.start", "status": 204, "headers": [*headers, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._endpoint(scope, receive, with_headers)
