"""Processes that simulate side by side, each with a Redis of its own."""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

from bench.calibration.rollout import Ended, simulate
from bench.calibration.worlds import SCENARIOS
from gateway.store import EmbeddedRedis

_COLLECT_EVERY = 10  # rollouts: a simulation makes and drops much, in few circles


@dataclass(slots=True)
class Server:
    """A Redis of this process, beside its simulations: on a real clock, in a thread of its own."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    url: str = ""
    redis: EmbeddedRedis | None = None

    @classmethod
    def start(cls, folder: Path) -> "Server":
        """A server that runs."""
        server = cls(folder, asyncio.new_event_loop())
        threading.Thread(target=server.loop.run_forever, daemon=True).start()
        server.switch(True)
        return server

    def switch(self, on: bool) -> None:
        """Start it, or stop it; its data stays."""
        asyncio.run_coroutine_threadsafe(self._start() if on else self._stop(), self.loop).result()

    async def _start(self) -> None:
        self.redis = EmbeddedRedis(self.folder, log=lambda *_: None)
        self.url = await self.redis.start()

    async def _stop(self) -> None:
        if self.redis is not None:
            await self.redis.stop()
            self.redis = None


_servers: list[Server] = []  # of this process: one, once it is to simulate


def prepare(folder: str) -> None:
    """Make this process ready to simulate."""
    gc.disable()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    number = multiprocessing.current_process().name.rpartition("-")[2]
    server = Server.start(Path(folder) / number)
    Finalize(None, server.switch, args=(False,), exitpriority=10)
    _servers.append(server)


def _leave_with_parent() -> None:
    """End this process, and Redis with it, when whoever asked for the work is killed."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def work(name: str, seed: int) -> tuple[Ended, float]:
    """One rollout, and the CPU seconds that it took here, without those of Redis."""
    began, server = time.process_time(), _servers[0]
    if seed % _COLLECT_EVERY == 0:
        gc.collect()
    return simulate(SCENARIOS[name], seed, server.url, server.switch), time.process_time() - began


@contextlib.contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that simulate, each with a Redis of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=prepare, initargs=(folder,)) as pool:
            yield pool
