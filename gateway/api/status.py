"""`GET /status` and `/status/{agent}`: JSON by the contract, a page for a browser.

Open where no keys are configured; else it needs the admin token, or a key, which sees the agents that it may call (a
browser may send either as the password of Basic authentication).
"""

import base64
import binascii
from dataclasses import replace
from time import time
from typing import Any

from gateway import __version__
from gateway.api.admission import Places
from gateway.api.endpoint import Endpoint, caller_of, header, named, send_json
from gateway.call.streaming import send_answer
from gateway.calls import Caller
from gateway.errors import NotFound, SerinusError, Unauthenticated
from gateway.net.asgi import Receive, Scope, Send
from gateway.rollout.status_view import ConfigView, GatewayView, StatusView, StoreView
from gateway.views import timestamp
from routing.chain import Target

_POLICY = b"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HTML = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


class Status(Endpoint):
    """The status of all agents, or of the one that the path names."""

    is_page = True

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = caller_of(scope)
        name = scope["path_params"].get("agent")
        known = [agent for agent in self.services.table if reader.may_call(agent)]
        if name is not None and name not in known:
            raise NotFound(f"there is no agent {name!r}")
        view = await self._view(known if name is None else [name])
        if name is None:
            view = replace(view, **await self._models(reader))
        if b"text/html" in (header(scope, b"accept") or b""):
            from gateway.api.status_page import status_page  # with the table of HTML's entities, for whoever looks

            css = "status.css" if name is None else "../status.css"  # whatever path a proxy puts before ours
            await send_answer(send, 200, _HTML, status_page(view, css))
        else:
            await send_json(send, view)

    async def _view(self, names: list[str]) -> StatusView:
        services = self.services
        agents = await services.status.agents(names)
        gateway = GatewayView(
            version=__version__,
            replica=services.replica,
            config=ConfigView(services.runtime.digest, timestamp(services.loaded_at), services.config_error()),
            store=StoreView(services.backend, services.controller.store_ok, services.controller.store_error),
            circuits=services.proxy.attempts.circuits.states(),
            shadows=services.proxy.shadows.view(),
        )
        return StatusView(timestamp(time()), gateway, agents)

    async def _models(self, reader: Caller) -> dict[str, Any]:
        """The members of the status that are of plain models, those that the reader's key may call."""
        names, status = self.services.runtime.names, self.services.status
        if not names.models and not names.aliases and reader.models is None:
            return {}

        def is_shown(name: str) -> bool:
            return reader.may_use(Target(*name.partition("/")[::2]))

        sums = {name: sums for name, sums in (await status.models()).items() if is_shown(name)}
        return {
            "models": sums,
            "unpriced_models": tuple(filter(is_shown, status.unpriced_models())),
            "model_retirements": tuple(each for each in status.model_retirements() if is_shown(each.target)),
        }

    def authenticate(self, scope: Scope) -> Caller | None:
        """Check the admin token, which takes no place, or a caller's key. Raises Unauthenticated."""
        doorkeeper = self.services.runtime.doorkeeper
        authorization = _bearer_of_basic(header(scope, b"authorization"))
        if doorkeeper.is_admin(authorization):
            return None
        try:
            return self.caller(named(scope), authorization)
        except Unauthenticated:
            raise Unauthenticated(
                "`/status` needs a key or the admin token (for 'serinus status': SERINUS_ADMIN_TOKEN)"
            ) from None

    def places(self) -> Places:
        return self.services.status_readers

    def _error_headers(self, error: SerinusError) -> list[tuple[bytes, bytes]]:
        if isinstance(error, Unauthenticated):
            return [(b"www-authenticate", b'Basic realm="serinus", charset="UTF-8"')]
        return super()._error_headers(error)


def _bearer_of_basic(authorization: bytes | None) -> bytes | None:
    """The header with the password of Basic authentication as a Bearer token; any other header as it is."""
    scheme, _, credentials = (authorization or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return authorization
    try:
        _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return b"Bearer " + password
