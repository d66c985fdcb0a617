"""What every test may ask for: a real Redis, a store over it, an agent's name of its own, a gateway."""

import gc
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from gateway.store import EmbeddedRedis, connect
from tests.support.calling import Config, Place, place
from tests.support.canaries import WATCH
from tests.support.faulty_store import FaultyStore
from tests.support.markers import MARKERS, Guard, markers
from tests.support.stored import stored


# The frozen objects are the modules and the collected tests: no collection of a test's own garbage need visit them.
def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


_GUARD = Guard()
# Properties are judged by what they find, not by how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_itemcollected(item: pytest.Item) -> None:
    for marker in markers(item):
        item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _GUARD.watch(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _GUARD.watch(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test by whose end a planted secret has left a gateway (tests/support/canaries.py)."""
    report = yield
    if call.when == "teardown":
        WATCH.search("output", "".join(section[-1] for section in item._report_sections).encode())
        if isinstance(item, pytest.Function) and isinstance(folder := item.funcargs.get("tmp_path"), Path):
            WATCH.search_files(folder)
        if (found := WATCH.take()) and report.passed:
            report.outcome, report.longrepr = "failed", "planted secrets left a gateway:\n" + "\n".join(found)
    return report


Serve = Callable[..., Awaitable[Place]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of one private Redis for the whole run; do not stop it, do not empty it.

    TEST_STORE_SERVER names another server's program, such as that of Redis 6.2, in place of the bundled Valkey.
    """
    binary = os.environ.get("TEST_STORE_SERVER")
    folder = tmp_path_factory.mktemp("redis")
    server = EmbeddedRedis(folder, log=lambda *_: None, binary=Path(binary) if binary else None)
    url = await server.start()
    yield url
    WATCH.search("store", await stored(url))
    await server.stop()
    assert not WATCH.take(), "a planted secret is in the store"


@pytest.fixture
def agent() -> str:
    """An agent's name that no other test uses."""
    return f"agent-{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[FaultyStore]:
    """A store over that Redis, as a replica of its own."""
    store = FaultyStore(connect(redis_url), replica=uuid.uuid4().hex)
    yield store
    await store.aclose()


@pytest_asyncio.fixture
async def serve(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Serve]:
    """Starts a gateway with one agent: `await serve(gateway=…, routing=…, version=…, files=…)`; all are optional."""
    async with AsyncExitStack() as stack:

        async def start(**parts: Any) -> Place:
            return await stack.enter_async_context(place(tmp_path, redis_url, agent, Config(**parts)))

        yield start
