"""The lists of models in each format's shape: agents, and `agent@version`, that the caller may call.

`GET /v1/models` answers each client in its own words: a format's own headers tell its clients, as some versions of
Google's leave the "beta" of `/v1beta/models` out.
"""

from collections.abc import Iterable

from gateway.api.endpoint import Endpoint, Services, caller_of, send_json
from gateway.errors import UnknownModel
from gateway.formats.door import Listing
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.protocol import ClientSide
from gateway.formats.registry import CLIENTS
from gateway.net.asgi import PlainReceive, PlainSend, Receive, Scope, Send


class Listed(Endpoint):
    """The models in one format's shape, all or one."""

    def __init__(self, services: Services, client: ClientSide, listing: Listing) -> None:
        super().__init__(services, client)
        self.listing = listing

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        card, created = self.listing.card, self.services.loaded_at
        name = scope["path_params"].get("model")
        names = self._names(scope)
        if name is None:
            await send_json(send, self.listing.listed([card(each, created) for each in names]))
            return
        if name not in names:
            message = (
                f"the model {name!r} does not exist; GET {scope['path'].removesuffix('/' + name)} lists those that do"
            )
            raise UnknownModel(message, param="model")
        await send_json(send, card(name, created))

    def _names(self, scope: Scope) -> list[str]:
        caller = caller_of(scope)
        table = self.services.table
        entries = [(agent, table.entry(agent)) for agent in table if caller.may_call(agent)]
        return [name for agent, entry in entries if entry is not None for name in _names(agent, entry.agent.versions)]


class Models(Endpoint):
    """`/v1/models`: in OpenAI's shape, or in that of the client's own API."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        listed = listings(services)
        self._openai = listed[CHAT]
        self._of = {
            header: listed[side.name]
            for side in CLIENTS.values()
            if side.listing is not None
            for header in side.listing.client_headers
        }

    async def __call__(self, scope: Scope, receive: PlainReceive, send: PlainSend) -> None:
        own = (listed for name, _ in scope["headers"] if (listed := self._of.get(name)) is not None)
        await next(own, self._openai)(scope, receive, send)


def listings(services: Services) -> dict[str, Listed]:
    """Return an endpoint for each format that lists models, by its name."""
    return {side.name: Listed(services, side, side.listing) for side in CLIENTS.values() if side.listing is not None}


def _names(agent: str, versions: Iterable[str]) -> list[str]:
    return [agent, *(f"{agent}@{version}" for version in versions)]
