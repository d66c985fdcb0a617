"""`GET /report/{agent}`: one page on a rollout, for the operator alone: it holds prompts, and the costs of all keys."""

from time import time

from gateway.api.costs import Costs
from gateway.api.endpoint import caller_of, send_json
from gateway.api.query import read_query, read_time
from gateway.api.status_reading import StatusReading
from gateway.auth import OPEN
from gateway.errors import CallerError, Forbidden, NotFound
from gateway.history.costs import CostQuestion, costs_view
from gateway.history.curves import build_history, choose_step, interval_of
from gateway.net.asgi import Receive, Scope, Send
from gateway.store.costs import DAY_SECONDS

_USUAL_SECONDS = 7 * DAY_SECONDS
_LONGEST_SECONDS = 31 * DAY_SECONDS


class Report(Costs):
    """The report as a member of JSON, `html`, which the command writes to a file."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        from gateway.pages.agent_page import AgentReading
        from gateway.pages.report import report

        if caller_of(scope) is not OPEN:
            raise Forbidden("a report holds prompts and the costs of all keys: it needs the admin token")
        name, now = scope["path_params"]["agent"], time()
        entry = self.services.table.entry(name)
        view = await StatusReading(self.services).of_agents([name], OPEN)
        if entry is None or name not in view.agents:
            raise NotFound(f"there is no agent {name!r}")
        since = max(
            read_time(read_query(scope, ("since",)), "since", now, now - _USUAL_SECONDS), now - _LONGEST_SECONDS
        )
        if since >= now:
            raise CallerError("`since` must be before now", param="since")
        step = choose_step(now - since, now - since)
        read = await self.services.store.history(name, since, now, interval_of(step, now - since))
        question = CostQuestion(int(since // DAY_SECONDS), int(now // DAY_SECONDS), now, ("version",))
        costs = costs_view([await self.costs_of(name, question.first, question)], question)
        reading = AgentReading(entry.agent, True, await build_history(name, read, step, since, now), "", None)
        await send_json(send, {"agent": name, "html": report(view, name, reading, costs)})
