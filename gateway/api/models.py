"""The lists of models in each format's shape: agents, their versions, aliases and plain models that may be called.

`GET /v1/models` answers each client in its own words: a format's own headers tell its clients, as some versions of
Google's leave the "beta" of `/v1beta/models` out.
"""

from itertools import islice
from urllib.parse import parse_qsl

from gateway.api.endpoint import Endpoint, Services, caller_of, send_json
from gateway.errors import Forbidden, UnknownModel
from gateway.formats.door import Listing
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.protocol import ClientSide
from gateway.formats.registry import CLIENTS
from gateway.net.asgi import PlainReceive, PlainSend, Receive, Scope, Send

_MOST_OPEN = 5000  # models that no configuration spells out, in one list


class Listed(Endpoint):
    """The models in one format's shape, all or one."""

    def __init__(self, services: Services, client: ClientSide, listing: Listing) -> None:
        super().__init__(services, client)
        self.listing = listing

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        card, created = self.listing.card, self.services.loaded_at
        name = scope["path_params"].get("model")
        caller, names = caller_of(scope), self.services.runtime.names
        if name is not None:
            try:
                names.find(name, caller)
            except Forbidden as error:
                raise UnknownModel(error.message, param="model") from None
            await send_json(send, card(name, created))
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        page = self.listing.page([*names.listed(caller), *islice(names.open_models(caller), _MOST_OPEN)], query)
        await send_json(send, self.listing.listed([card(each, created) for each in page.names], page))


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
