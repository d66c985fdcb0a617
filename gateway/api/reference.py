"""`GET /openapi.json` and `GET /docs`: the HTTP interface as an OpenAPI document, and as a page.

Both are for whoever may read the status: they tell a stranger which product and version answers here.
"""

import asyncio
from functools import cache

import orjson

from gateway.api.status import Status
from gateway.api.status_page import send_page
from gateway.call.streaming import send_answer
from gateway.headers import JSON
from gateway.net.asgi import Receive, Scope, Send


class OpenApi(Status):
    """The OpenAPI document, made when it is first asked for."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, 200, [JSON], await asyncio.to_thread(_document))


class Docs(Status):
    """The same as a page."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        from gateway.pages.reference_page import reference_page

        await send_page(send, reference_page())


@cache
def _document() -> bytes:
    from gateway.openapi.document import document

    return orjson.dumps(document())
