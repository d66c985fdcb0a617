"""What runs: the stand-in provider, the store behind its proxy, and two replicas that live several times."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import time
from typing import Any

from redis.exceptions import RedisError

from bench.soak.journal import Journal
from bench.soak.settings import ADMIN, PROVIDER_KEY, files
from bench.soak.store import StoreProxy
from gateway.rehearsal.standin import EndedCall, Standin
from tests.support.processes import Served, start, until_serving
from tests.support.redis_servers import ExternalRedis, ask_server
from tests.support.running import write

REPLICAS = ("one", "two")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024


@dataclass(slots=True)
class Lifetime:
    """A replica's process from its start to its end. Callers are sent to it while it `takes_calls`."""

    name: str
    served: Served
    began: float
    ended: float = float("inf")
    was_killed: bool = False
    takes_calls: bool = False
    exit_code: int = 0

    @property
    def pid(self) -> int:
        return self.served.process.pid


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory and descriptors of a lifetime, when so many calls had been made."""

    lifetime: str
    at: float
    calls: int
    rss_kb: float
    descriptors: int


@dataclass(slots=True)
class World:
    """Everything that a fault can strike and a client can call."""

    folder: Path
    journal: Journal
    standin: Standin
    store: ExternalRedis
    proxy: StoreProxy
    environ: dict[str, str]
    ledger: list[tuple[float, EndedCall]]  # with the time of each call's end
    lifetimes: list[Lifetime] = field(default_factory=list)
    current: dict[str, Lifetime] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def pick(self, rng: Random) -> Lifetime:
        """Return a replica that takes calls; any, where none does."""
        ready = [each for each in self.current.values() if each.takes_calls]
        return rng.choice(ready or list(self.current.values()))

    async def begin(self, name: str) -> Lifetime:
        """Start a replica, and send calls to it once it serves."""
        number = sum(each.name.startswith(f"{name}-") for each in self.lifetimes) + 1
        served = await start(self.config, self.environ, f"{name}-{number}")
        lifetime = Lifetime(f"{name}-{number}", served, time())
        self.lifetimes.append(lifetime)
        await until_serving(served)
        self.current[name] = lifetime
        lifetime.takes_calls = True
        return lifetime

    async def kill(self, name: str) -> Lifetime:
        """kill -9; callers find out by themselves."""
        lifetime = self.current[name]
        lifetime.ended, lifetime.was_killed = time(), True
        await lifetime.served.kill()
        lifetime.takes_calls = False
        return lifetime

    async def end(self, name: str) -> Lifetime:
        """Stop sending calls, then SIGTERM, as an orchestrator does."""
        lifetime = self.current[name]
        lifetime.takes_calls = False
        lifetime.exit_code = await lifetime.served.end()
        lifetime.ended = time()
        return lifetime

    async def ask(self, method: str, path: str, body: bytes = b"", headers: tuple[str, ...] = ()) -> Any:
        """What an operator's request gets from a replica that takes calls, parsed. Raises ValueError for a refusal."""
        return await self.ask_at(self.pick(Random(0)), method, path, body, headers)

    async def ask_at(
        self, lifetime: Lifetime, method: str, path: str, body: bytes = b"", headers: tuple[str, ...] = ()
    ) -> Any:
        """The same, at that replica."""
        reply = await lifetime.served.ask(method, path, body, (f"authorization: Bearer {ADMIN}", *headers))
        if reply.status != 200:
            raise ValueError(f"{method} {path}: {reply.status} {reply.body.decode()}")
        return json.loads(reply.body)

    async def store_answers(self) -> bool:
        """Whether the store serves; while it loads its file it answers with errors."""
        try:
            await ask_server(self.store.port, "PING")
        except RedisError:
            return False
        return True

    def sample(self, calls: int) -> None:
        """Note what each replica holds now."""
        for each in self.current.values():
            if each.takes_calls:
                rss = int(Path(f"/proc/{each.pid}/statm").read_text().split()[1]) * _PAGE_KB
                held = len(os.listdir(f"/proc/{each.pid}/fd"))
                self.samples.append(Sample(each.name, time(), calls, rss, held))


@asynccontextmanager
async def world(folder: Path, budget_usd: float) -> AsyncIterator[World]:
    """Start it all; the folder gets configuration, logs, journal and the store's data."""
    async with AsyncExitStack() as stack:
        ledger: list[tuple[float, EndedCall]] = []
        standin = Standin(api_key=PROVIDER_KEY, ledger=lambda call: ledger.append((time(), call)))
        await standin.start()
        stack.push_async_callback(standin.stop)
        store = ExternalRedis(folder / "store")
        await store.start()
        stack.push_async_callback(store.kill)
        proxy = StoreProxy(store.port)
        port = await stack.enter_async_context(proxy.serving())
        environ = {
            "SERINUS_STORE": f"redis://127.0.0.1:{port}/0",
            "SERINUS_ADMIN_TOKEN": ADMIN,
            "PROVIDER_KEY": PROVIDER_KEY,
        }
        write(folder / "config", files(standin.root_url, budget_usd))
        made = World(folder, Journal(folder / "journal.jsonl"), standin, store, proxy, environ, ledger)
        stack.push_async_callback(_kill_all, made)
        await asyncio.gather(*(made.begin(name) for name in REPLICAS))
        yield made


async def _kill_all(made: World) -> None:
    for lifetime in made.lifetimes:
        await lifetime.served.kill()
