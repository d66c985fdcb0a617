"""A stand-in on a real socket for each test."""

from collections.abc import AsyncIterator

import pytest

from gateway.rehearsal.standin import Standin


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    """Answers at once and in full until a test tells it otherwise."""
    provider = Standin()
    await provider.start("127.0.0.1", 0)
    yield provider
    await provider.stop()
