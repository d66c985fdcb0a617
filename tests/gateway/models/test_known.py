"""Lists of models that providers give themselves."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from gateway.errors import ProviderError
from gateway.models.known import FRESH_SECONDS, KnownModels, ModelLists, Source
from routing.chain import Target


class Provider:
    """Answers with its list, or fails as a provider does; `now` is the clock that is read."""

    def __init__(self, answer: object) -> None:
        self.answer, self.asked, self.now = answer, 0, 0.0

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.answer is None:
            raise ProviderError("connect", "refused")
        return json.dumps(self.answer).encode()


async def after_fetching(provider: Provider, do: Callable[[KnownModels], Awaitable[None]]) -> None:
    lists = ModelLists(lambda: provider.now)
    work = asyncio.create_task(lists.fetch_for_ever())
    try:
        await do(KnownModels(lists, {"p": Source("account", provider.fetch), "none": Source("other", None)}))
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"id": "b"}, {"id": "a"}]},
        {"models": [{"name": "models/a"}, {"name": "models/b"}]},
        {"data": [{"id": "a"}, {"id": 1}, "x", {}, {"id": "b"}, {"id": "c" * 201}]},
    ],
)
async def test_shapes(answer: object) -> None:
    """OpenAI's, Anthropic's and Gemini's; what is no name is left out."""

    async def do(known: KnownModels) -> None:
        assert known.names("p") == []
        await settled()
        assert known.names("p") == ["a", "b"] and known.has(Target("p", "a")) and not known.has(Target("p", "z"))
        assert known.names("none") == [] == known.names("nobody")

    await after_fetching(Provider(answer), do)


async def test_it_is_asked_for_once_in_a_while() -> None:
    """However often it is wanted; what was listed stays while the provider fails."""
    provider = Provider({"data": [{"id": "a"}]})

    async def do(known: KnownModels) -> None:
        for _ in range(9):
            known.names("p")
            await settled()
        assert provider.asked == 1
        provider.answer, provider.now = None, FRESH_SECONDS
        for _ in range(9):
            assert known.names("p") == ["a"]
            await settled()
        assert provider.asked == 2

    await after_fetching(provider, do)


@pytest.mark.parametrize("answer", [None, [], {"data": {}}, {"error": "no"}, "x"])
async def test_a_provider_that_lists_nothing(answer: object) -> None:
    """No list is no error."""

    async def do(known: KnownModels) -> None:
        known.names("p")
        await settled()
        assert known.names("p") == []

    await after_fetching(Provider(answer), do)


async def test_a_hostile_list_is_bounded() -> None:
    """A provider may list as much as it likes."""

    async def do(known: KnownModels) -> None:
        known.names("p")
        await settled()
        assert len(known.names("p")) == 2000

    await after_fetching(Provider({"data": [{"id": str(number)} for number in range(9000)]}), do)
