"""The status page's stylesheet."""

from importlib.resources import files

from gateway.api.endpoint import OpenEndpoint, Services
from gateway.call.streaming import send_answer
from gateway.net.asgi import Receive, Scope, Send

_HEADERS = [(b"content-type", b"text/css; charset=utf-8"), (b"cache-control", b"max-age=300")]


class Stylesheet(OpenEndpoint):
    """`/status.css`."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._css = files("gateway.api").joinpath("status.css").read_bytes()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, 200, _HEADERS, self._css)
