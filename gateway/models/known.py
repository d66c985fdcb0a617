"""Models that providers have, as they list them themselves, else as the price list does.

Nobody waits for a provider: its list is asked for in the background when it is wanted, and used from then on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple

import orjson

from gateway.errors import GatewayError, ProviderError
from gateway.pricing import PriceBook
from routing.chain import Target

FRESH_SECONDS = 300.0
_AGAIN_SECONDS = 60.0  # after a failure
_MOST_MODELS = 2000  # of one provider
_LONGEST_NAME = 200
_PREFIX = "models/"  # Gemini's names begin so


class Source(NamedTuple):
    """Source of a provider's list. `fetch` raises ProviderError, GatewayError; None where it has no list."""

    account: Hashable
    fetch: Callable[[], Awaitable[bytes]] | None


class _OwnList(NamedTuple):
    names: frozenset[str] | None
    until: float


class ModelLists:
    """Lists of one replica's providers, whatever the configuration. `monotonic` tells the time in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._listed: dict[Hashable, _OwnList] = {}
        self._wanted: dict[Hashable, Source] = {}
        self._is_wanted = asyncio.Event()

    def names(self, source: Source) -> frozenset[str] | None:
        """Return what the provider listed last, None where nothing is known. A list that is old is asked for anew."""
        listed = self._listed.get(source.account)
        is_old = listed is None or listed.until <= self._monotonic()
        if is_old and source.fetch is not None and source.account not in self._wanted:
            self._wanted[source.account] = source
            self._is_wanted.set()
        return None if listed is None else listed.names

    async def fetch_for_ever(self) -> None:
        """Ask for the lists that are wanted, one after the other, until cancelled."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            while self._wanted:
                account, source = next(iter(self._wanted.items()))
                self._listed[account] = await self._fetch(source)
                del self._wanted[account]

    async def _fetch(self, source: Source) -> _OwnList:
        before = self._listed.get(source.account)
        try:
            names = None if source.fetch is None else _names_in(await source.fetch())
        except (ProviderError, GatewayError):
            names = None
        if names is None:
            return _OwnList(None if before is None else before.names, self._monotonic() + _AGAIN_SECONDS)
        return _OwnList(names, self._monotonic() + FRESH_SECONDS)


class KnownModels:
    """Known models of a configuration's providers."""

    def __init__(
        self,
        lists: ModelLists | None = None,
        sources: Mapping[str, Source] | None = None,
        book: PriceBook | None = None,
    ) -> None:
        self._lists = lists
        self._sources = dict(sources or {})
        self._book = book

    def has(self, target: Target) -> bool:
        """Return whether the provider is known to have that model."""
        own = self._own(target.provider)
        return (own is not None and target.model in own) or (self._book is not None and self._book.lists(target.name))

    def is_made_by(self, target: Target) -> bool:
        """Return whether the provider makes models that are called like this one, which may be too new to be known."""
        return self._book is not None and self._book.makes(target.name)

    def names(self, provider: str) -> list[str]:
        """Return the provider's models in order."""
        own = self._own(provider)
        if own is not None:
            return sorted(own)
        return [] if self._book is None else sorted(self._book.names(provider))

    def _own(self, provider: str) -> frozenset[str] | None:
        source = self._sources.get(provider)
        return None if source is None or self._lists is None else self._lists.names(source)


def _names_in(answer: bytes) -> frozenset[str] | None:
    """Read the names off a list of models as OpenAI, Anthropic or Gemini write it; None for anything else."""
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    listed = next((value[key] for key in ("data", "models") if key in value), None) if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return None
    return frozenset(name for each in listed[:_MOST_MODELS] if (name := _name(each)))


def _name(model: Any) -> str | None:
    name = (model.get("id") or model.get("name")) if isinstance(model, dict) else None
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return None
    return name.removeprefix(_PREFIX)
