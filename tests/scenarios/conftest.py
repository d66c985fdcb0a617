"""A Redis to be killed; and what is left out where there is no Node of version 20 or newer, for its clients."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clients import PYTHON
from tests.support.redis_servers import ExternalRedis

collect_ignore = [] if (PYTHON.parents[1] / ".node").exists() else ["test_node_clients.py"]


@pytest.fixture
async def external(tmp_path: Path) -> AsyncIterator[ExternalRedis]:
    """A running Redis of the test's own."""
    redis = ExternalRedis(tmp_path / "redis")
    try:
        await redis.start()
        yield redis
    finally:
        await redis.kill()
