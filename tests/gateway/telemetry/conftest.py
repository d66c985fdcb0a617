"""A receiver of spans for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.support.otlp import OtlpReceiver, otlp_receiver


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    async with otlp_receiver() as made:
        yield made
