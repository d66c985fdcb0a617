"""The lists of models in each format's shape: agents, and `agent@version`, that the caller may call.

`GET /v1/models` answers each client in its own words: Anthropic's are known by `anthropic-version`, Google's by
`x-goog-…`, as some versions of theirs leave the "beta" of `/v1beta/models` out.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.api.endpoint import Endpoint, Services, caller_of, send_json
from gateway.errors import UnknownModel

_GEMINI_PREFIX = "models/"
_METHODS = ["generateContent", "streamGenerateContent"]


class Listed(Endpoint):
    """The models, all or one, as `card` shows one and `listed` many of them. `created` is Unix seconds."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        created = self.services.loaded_at
        name = scope["path_params"].get("model")
        names = self._names(scope)
        if name is None:
            await send_json(send, self.listed([self.card(each, created) for each in names]))
            return
        if name not in names:
            message = (
                f"the model {name!r} does not exist; GET {scope['path'].removesuffix('/' + name)} lists those that do"
            )
            raise UnknownModel(message, param="model")
        await send_json(send, self.card(name, created))

    def card(self, name: str, created: float) -> dict[str, Any]:
        """Return the entry of one model."""
        return {"id": name, "object": "model", "created": int(created), "owned_by": "serinus"}

    def listed(self, cards: list[dict[str, Any]]) -> dict[str, Any]:
        """The list, which has one page."""
        return {"object": "list", "data": cards}

    def _names(self, scope: Scope) -> list[str]:
        caller = caller_of(scope)
        table = self.services.table
        entries = [(agent, table.entry(agent)) for agent in table if caller.may_call(agent)]
        return [name for agent, entry in entries if entry is not None for name in _names(agent, entry.agent.versions)]


class AnthropicModels(Listed):
    """In Anthropic's shape."""

    format = "anthropic"

    def card(self, name: str, created: float) -> dict[str, Any]:
        at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"type": "model", "id": name, "display_name": name, "created_at": at}

    def listed(self, cards: list[dict[str, Any]]) -> dict[str, Any]:
        first, last = (cards[0]["id"], cards[-1]["id"]) if cards else (None, None)
        return {"data": cards, "has_more": False, "first_id": first, "last_id": last}


class GeminiModels(Listed):
    """In Gemini's shape."""

    format = "gemini"

    def card(self, name: str, created: float) -> dict[str, Any]:
        agent, _, version = name.partition("@")
        return {
            "name": _GEMINI_PREFIX + name,
            "baseModelId": agent,
            "version": version,
            "displayName": name,
            "supportedGenerationMethods": _METHODS,
        }

    def listed(self, cards: list[dict[str, Any]]) -> dict[str, Any]:
        return {"models": cards}


class Models(Endpoint):
    """`/v1/models`: in OpenAI's shape, or in that of the client's own API."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._openai, anthropics, googles = Listed(services), AnthropicModels(services), GeminiModels(services)
        self._of = {b"anthropic-version": anthropics, b"x-goog-api-key": googles, b"x-goog-api-client": googles}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = (listed for name, _ in scope["headers"] if (listed := self._of.get(name)) is not None)
        await next(own, self._openai)(scope, receive, send)


def _names(agent: str, versions: Iterable[str]) -> list[str]:
    return [agent, *(f"{agent}@{version}" for version in versions)]
