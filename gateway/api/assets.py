"""The stylesheet, the script and the icons of the pages."""

from importlib.resources import files

from gateway.api.endpoint import Handler, OpenEndpoint, Services
from gateway.call.streaming import send_answer
from gateway.errors import NotFound
from gateway.net.asgi import Receive, Scope, Send

_KINDS = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8"}
_FOR_A_WHILE = [(b"cache-control", b"max-age=300"), (b"x-content-type-options", b"nosniff")]


class Asset(OpenEndpoint):
    """A file of the pages, which everyone may read; a browser asks again after five minutes."""

    def __init__(self, services: Services, name: str) -> None:
        super().__init__(services)
        self._headers = [(b"content-type", _KINDS[name.rpartition(".")[2]]), *_FOR_A_WHILE]
        self._content = files("gateway.pages").joinpath(name).read_bytes()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, 200, self._headers, self._content)


class Icon(OpenEndpoint):
    """The icon of a tab, which shows the state of its page."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        from gateway.pages.condition import LEVELS
        from gateway.pages.frame import icon

        state = scope["path_params"]["state"]
        if state not in LEVELS:
            raise NotFound(f"there is nothing at {scope['path']!r}", code="unknown_url")
        await send_answer(send, 200, [(b"content-type", b"image/svg+xml"), *_FOR_A_WHILE], icon(state))


def assets(services: Services) -> list[tuple[str, Handler]]:
    """Return the assets by their paths."""
    named: list[tuple[str, Handler]] = [
        (f"/{name}", Asset(services, name)) for name in ("status.css", "status.js", "review.js")
    ]
    return [*named, ("/status-{state}.svg", Icon(services))]
