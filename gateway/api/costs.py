"""`GET /costs`: what calls have cost, by agent, version, key, model and day.

The operator sees everything. A key sees the costs of its own calls, of the agents that it may call.
"""

import asyncio
from time import time

from gateway.api.endpoint import caller_of, send_json
from gateway.api.query import read_query, read_time
from gateway.api.status import Status
from gateway.auth import OPEN
from gateway.calls import Caller
from gateway.errors import CallerError, NotFound
from gateway.history.costs import BY, DAYS_OF_PROJECTION, AgentCosts, CostQuestion, costs_view
from gateway.net.asgi import Receive, Scope, Send
from gateway.store.costs import DAY_SECONDS, KEPT_DAYS
from routing.models import MODELS

_USUAL_DAYS = 30
_KNOWN = ("agent", "by", "since", "until")
_AT_ONCE = 32
PLAIN_MODELS = "models"  # in place of an agent's name, for the calls of plain models


class Costs(Status):
    """The costs of all agents, or of the one that `?agent=` names."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader, given = caller_of(scope), read_query(scope, _KNOWN)
        question = _question(given, reader)
        names = self._names(reader, given.get("agent"))
        first = min(question.first, int(question.now // DAY_SECONDS) - max(DAYS_OF_PROJECTION, 31))
        found = [
            await asyncio.gather(*(self.costs_of(name, first, question) for name in names[begin : begin + _AT_ONCE]))
            for begin in range(0, len(names), _AT_ONCE)
        ]
        view = await asyncio.to_thread(costs_view, [each for part in found for each in part], question)
        await send_json(send, view)

    def _names(self, reader: Caller, agent: str | None) -> list[str]:
        """The agents whose costs are told; the calls of plain models come under a name of their own."""
        known = [name for name in self.services.table if reader.may_call(name)]
        if agent is None:
            return [*known, MODELS]
        if agent not in known:
            raise NotFound(f"there is no agent {agent!r}")
        return [agent]

    async def costs_of(self, name: str, first: int, question: CostQuestion) -> AgentCosts:
        """Return what the agent's calls have cost from that day on. Raises StoreAway."""
        days = await self.services.store.costs(name, first, max(question.last, int(question.now // DAY_SECONDS)))
        entry = self.services.table.entry(name)
        canary = entry.intent.canary if entry else None
        compared = (entry.intent.stable.version, canary.version) if entry and canary else None
        return AgentCosts(PLAIN_MODELS if name == MODELS else name, days, compared)


def _question(given: dict[str, str], reader: Caller) -> CostQuestion:
    now = time()
    since = read_time(given, "since", now, now - _USUAL_DAYS * DAY_SECONDS)
    last = int(read_time(given, "until", now, now) // DAY_SECONDS)
    first = max(int((since - 1e-3) // DAY_SECONDS) + 1, last - KEPT_DAYS + 1)
    if first > last:
        raise CallerError("`since` must be a whole day before `until`", param="since")
    by = tuple(dict.fromkeys(name for name in given.get("by", "agent,version").split(",") if name))
    if unknown := [name for name in by if name not in BY]:
        raise CallerError(f"rows cannot be by {unknown[0]!r}; known: {', '.join(BY)}", param="by")
    return CostQuestion(first, last, now, by, None if reader is OPEN else reader.name)
