"""`GET /v1/models` and `/v1/models/{id}`: agents, and `agent@version`, that the caller may call."""

from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.api.services import Endpoint, header, send_json
from gateway.errors import UnknownModel


class Models(Endpoint):
    """The list of models."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        models = self._models(scope)
        await send_json(send, {"object": "list", "data": list(models.values())})

    def _models(self, scope: Scope) -> dict[str, Any]:
        caller = self.services.runtime.doorkeeper.caller(header(scope, b"authorization"))
        created = int(self.services.loaded_at)
        names: list[str] = []
        for agent in self.services.table:
            entry = self.services.table.entry(agent)
            if entry is not None and caller.may_call(agent):
                names += [agent, *(f"{agent}@{version}" for version in entry.agent.versions)]
        return {name: {"id": name, "object": "model", "created": created, "owned_by": "serinus"} for name in names}


class Model(Models):
    """One model."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["model"]
        model = self._models(scope).get(name)
        if model is None:
            raise UnknownModel(f"the model {name!r} does not exist; GET /v1/models lists those that do", param="model")
        await send_json(send, model)
