"""What every test may ask for: a real Redis, an agent's name of its own, and a store over that Redis."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.store import EmbeddedRedis, RedisStore, connect


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of one private Redis for the whole run; do not stop it, do not empty it."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), log=lambda *_: None)
    yield await server.start()
    await server.stop()


@pytest.fixture
def agent() -> str:
    """An agent's name that no other test uses."""
    return f"agent-{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    """A store over that Redis, as a replica of its own."""
    store = RedisStore(connect(redis_url), replica=uuid.uuid4().hex)
    yield store
    await store.aclose()
