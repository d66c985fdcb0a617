"""`GET /status` and `/status/{agent}`: JSON by the contract, a page for a browser.

Open where no keys are configured; else it needs the admin token, or a key, which sees the agents that it may call (a
browser may send either as the password of Basic authentication).
"""

import base64
import binascii
from contextlib import AbstractContextManager

from gateway.api.endpoint import Endpoint, Services, caller_of, header, named, send_json
from gateway.api.status_page import StatusPages, send_page, wants_html
from gateway.api.status_reading import StatusReading
from gateway.auth import OPEN
from gateway.calls import Caller
from gateway.errors import NotFound, SerinusError, Unauthenticated
from gateway.net.asgi import Receive, Scope, Send


class Status(Endpoint):
    """The status of all agents, or of the one that the path names."""

    is_page = True

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.reading = StatusReading(services)
        self.pages = StatusPages(services)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = caller_of(scope)
        name = scope["path_params"].get("agent")
        if name is not None and name not in self.reading.known(reader):
            raise NotFound(f"there is no agent {name!r}")
        if wants_html(scope):
            await send_page(send, await self.pages.page(scope, name))
        elif name is None:
            await send_json(send, await self.reading.overview(reader))
        else:
            await send_json(send, await self.reading.of_agents([name], reader))

    def authenticate(self, scope: Scope) -> Caller | None:
        """Check the admin token, which takes no place, or a caller's key. Raises Unauthenticated."""
        doorkeeper = self.services.runtime.doorkeeper
        authorization = bearer_of_basic(header(scope, b"authorization"))
        if doorkeeper.is_admin(authorization):
            return None
        try:
            return self.caller(named(scope), authorization)
        except Unauthenticated:
            raise Unauthenticated(
                "`/status` needs a key or the admin token (for 'serinus status': SERINUS_ADMIN_TOKEN)"
            ) from None

    def places(self, caller: Caller) -> AbstractContextManager[None]:
        readers = self.services.status_readers
        return readers.all if caller is OPEN else readers.of(caller.name)

    def _error_headers(self, error: SerinusError) -> list[tuple[bytes, bytes]]:
        if isinstance(error, Unauthenticated):
            return [(b"www-authenticate", b'Basic realm="serinus", charset="UTF-8"')]
        return super()._error_headers(error)


def bearer_of_basic(authorization: bytes | None) -> bytes | None:
    """The header with the password of Basic authentication as a Bearer token; any other header as it is."""
    scheme, _, credentials = (authorization or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return authorization
    try:
        _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return b"Bearer " + password
