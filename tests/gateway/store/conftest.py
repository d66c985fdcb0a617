"""Two stores to keep the same contract over: one server, and a cluster of three."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from gateway.store import EmbeddedRedis, RedisStore, connect
from gateway.store.bounds import BOUNDS, Bounds
from tests.support.redis_servers import ENOUGH_SECONDS, LossyProxy, cluster


class NewStore(Protocol):
    """Makes a store, a replica with a client of its own; `bounds` as a test wants them."""

    def __call__(self, bounds: Bounds = ...) -> RedisStore: ...


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with cluster(tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(params=["redis_url", "cluster_url"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of one server, then of a cluster."""
    return str(request.getfixturevalue(request.param))


@pytest_asyncio.fixture
async def new_store(url: str) -> AsyncIterator[NewStore]:
    """Makes stores over `url`, each a replica with a client of its own. They are patient: how long a
    server may take is not what is shown with them, and a busy machine decides it."""
    async with AsyncExitStack() as stack:

        def make(bounds: Bounds = BOUNDS) -> RedisStore:
            client = connect(url, socket_seconds=ENOUGH_SECONDS)
            store = RedisStore(client, replica=uuid.uuid4().hex, deadline=ENOUGH_SECONDS, bounds=bounds)
            stack.push_async_callback(store.aclose)
            return store

        yield make


@pytest.fixture
def store(new_store: NewStore) -> RedisStore:
    return new_store()


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """A server of the test's own, to be killed and stopped."""
    server = EmbeddedRedis(tmp_path / "data", log=lambda *_: None)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def own_store(server: EmbeddedRedis) -> AsyncIterator[RedisStore]:
    """A store over the test's own server."""
    store = RedisStore(connect(f"unix://{server.socket}"), replica="own")
    yield store
    await store.aclose()


@pytest_asyncio.fixture
async def proxy(redis_url: str, tmp_path: Path) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(redis_url, tmp_path / "proxy.sock").serving() as proxy:
        yield proxy


@pytest_asyncio.fixture
async def lossy_store(proxy: LossyProxy) -> AsyncIterator[RedisStore]:
    """A store whose replies the proxy may lose."""
    store = RedisStore(connect(proxy.url), replica=uuid.uuid4().hex)
    yield store
    await store.aclose()
