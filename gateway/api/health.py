"""`GET /healthz`: the process lives. `GET /readyz`: it takes calls."""

from gateway.api.endpoint import OpenEndpoint, send_json
from gateway.net.asgi import Receive, Scope, Send


class Live(OpenEndpoint):
    """200 for as long as the process answers."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, {"status": "ok"})


class Ready(OpenEndpoint):
    """200 while calls are taken, 503 once the gateway drains. A store that is away does not make it unready."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        draining = self.services.draining
        store = "ok" if self.services.controller.store_ok else "away"
        await send_json(send, {"status": "draining" if draining else "ok", "store": store}, 503 if draining else 200)
