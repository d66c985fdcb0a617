"""`GET /metrics`: all metrics as OpenMetrics or in Prometheus' text format, by the reader's `Accept`.

Open where no keys are configured; else it needs the metrics token or the admin token. With several workers any of them
answers for all.
"""

import asyncio

from gateway.api.admission import Places
from gateway.api.endpoint import Endpoint, Services, header, named
from gateway.api.metric_gauges import RolloutGauges, process_samples
from gateway.call.streaming import send_answer
from gateway.calls import Caller
from gateway.errors import Unauthenticated
from gateway.net.asgi import Receive, Scope, Send
from gateway.telemetry.exposition import OPENMETRICS, PLAIN, expose, prefers_openmetrics
from gateway.telemetry.samples import Samples, add_up


class Metrics(Endpoint):
    """The metrics of all workers."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._rollouts = RolloutGauges(services)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        reports = await self.services.collect_reports(process_samples(self.services))
        rollouts = await self._rollouts.samples()
        openly = prefers_openmetrics(header(scope, b"accept"))
        body = await asyncio.to_thread(_text, [*reports, rollouts], openly)  # thousands of series take their time
        kind = (b"content-type", OPENMETRICS if openly else PLAIN)
        await send_answer(send, 200, [kind, (b"cache-control", b"no-store")], body)

    def authenticate(self, scope: Scope) -> Caller | None:
        """Check the metrics token or the admin token, where keys are configured. Raises Unauthenticated, Forbidden."""
        doorkeeper, authorization = self.services.runtime.doorkeeper, header(scope, b"authorization")
        if doorkeeper.reads_metrics(authorization):
            return None
        if doorkeeper.open:
            return self.caller(named(scope), authorization)
        raise Unauthenticated(
            "`/metrics` needs the metrics token or the admin token; send it as 'Authorization: Bearer <token>'"
        )

    def places(self, caller: Caller) -> Places:
        return self.services.status_readers.all


def _text(reports: list[Samples], openly: bool) -> bytes:
    return expose(add_up(reports), openly=openly)
