"""The stand-in on a socket: `Standin` inside a running event loop, `run` as a process of its own."""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable, Mapping

from .behaviour import ModelBehaviour
from .books import Counts, Ledger
from .models import StandinModels
from .protocol import StandinConnection
from .received import RequestLog
from .service import Service

PLAIN = ModelBehaviour()
WRONG_USAGE = 2
LAST_PORT = 65_535  # uvloop would take a larger one modulo 65,536
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a client dials for a wildcard listen


class Standin:
    """An imitation of a provider, in OpenAI's, Anthropic's and Google's wire formats.

    `behaviours` by model name, `default` for every other model. With an `api_key`, calls need it in the
    header of their format; the endpoints under /standin never do. A `ledger` is told of each call when it ends.
    """

    def __init__(
        self,
        behaviours: Mapping[str, ModelBehaviour] | None = None,
        default: ModelBehaviour = PLAIN,
        *,
        api_key: str | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        models = StandinModels(behaviours or {}, default)
        self._service = Service(models, api_key=api_key, clock=time.time, ledger=ledger)
        self._connections: set[StandinConnection] = set()
        self._server: asyncio.Server | None = None
        self._host = ""
        self.port = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens; port 0 takes a free one. Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: StandinConnection(self._service, self._connections), host, port, backlog=1024
        )
        self._host = host
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and cuts every connection; what is in flight counts as cancelled."""
        if self._server is None:
            return
        self._server.close()
        leaving = list(self._connections)
        for connection in leaving:
            connection.abort()
        await asyncio.gather(*(connection.gone for connection in leaving))
        await self._server.wait_closed()
        self._server = None

    @property
    def root_url(self) -> str:
        """The URL of /standin and /healthz."""
        host = EVERYWHERE.get(self._host, self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The base URL for OpenAI clients; Anthropic's and Google's clients take `root_url`."""
        return f"{self.root_url}/v1"

    def behave(self, model: str, behaviour: ModelBehaviour) -> None:
        """Set a model's behaviour from its next call on; its dice and fault_script start from their beginning."""
        self._service.models.behave(model, behaviour)

    def counts(self, model: str) -> Counts:
        """A copy of a model's books."""
        return self._service.books.counts(model)

    @property
    def requests(self) -> RequestLog:
        """The last 200 requests as received, oldest first."""
        return self._service.log


def run(
    listen: str,
    behaviours: Mapping[str, ModelBehaviour],
    default: ModelBehaviour = PLAIN,
    *,
    api_key: str | None = None,
) -> int:
    """Serve on `listen` (`host:port`) until SIGTERM or SIGINT.

    Return the exit code: 0, or 2 when it cannot listen there.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LAST_PORT:
        return _complain(f"listen: host:port is needed, like 127.0.0.1:9000 (got {listen!r})")
    standin = Standin(behaviours, default, api_key=api_key)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_serve(standin, host.strip("[]"), int(port)))
        except OSError as error:
            return _complain(f"listen: {listen} cannot be had: {error}")
    return 0


async def _serve(standin: Standin, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await standin.start(host, port)
    gc.freeze()
    print(f"stand-in provider ready: {standin.base_url}", flush=True)
    await stopped.wait()
    await standin.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # not built for this platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _complain(problem: str) -> int:
    print(problem, file=sys.stderr)
    return WRONG_USAGE
