"""What a call cost, in integer nano-dollars (1e-9 USD).

Rates come from genai-prices and from dated overrides in the configuration. They are resolved once per target and day
into integers; a call costs a dictionary look-up and seven multiplications. A model without a known price costs None,
never 0.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

from genai_prices.data_snapshot import get_snapshot

from gateway.calls import Usage

_PICO_PER_USD_MTOK = 1_000_000  # USD per million tokens -> 1e-12 USD per token
_PICO_PER_NANO = 1000
_PICO_PER_USD_KCOUNT = 1_000_000_000  # USD per thousand requests -> 1e-12 USD per request
_SECONDS_PER_DAY = 86_400

# genai-prices' name for each part of a price.
_PARTS: Mapping[str, str] = {
    "input": "input", "cached": "cache_read", "cache_write": "cache_write", "cache_write_1h": "cache_write_1h",
    "output": "output", "reasoning": "output_reasoning",
}  # fmt: skip
# Whose models are usually behind a wire format, by genai-prices' ids.
_MAKERS: Mapping[str, str] = {
    "openai": "openai", "openai-responses": "openai", "anthropic": "anthropic", "gemini": "google", "bedrock": "aws",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices of one target in 1e-12 USD per token; they hold for calls of more than `above` input tokens.

    `output` is None for what has no output, such as embeddings; `request` is what each request costs besides.
    """

    input: int
    cached: int
    output: int | None
    cache_write: int
    cache_write_1h: int
    reasoning: int
    above: int = 0
    request: int = 0

    def cost(self, usage: Usage) -> int | None:
        """Cost in nano-dollars; each part of the input or output pays its own rate. None for output without a price."""
        fresh = max(usage.input - usage.cached - usage.cache_written, 0)
        pico = fresh * self.input + usage.cached * self.cached + usage.cache_written * self.cache_write + self.request
        if usage.cache_written_1h:
            pico += usage.cache_written_1h * (self.cache_write_1h - self.cache_write)
        if usage.output:
            if self.output is None:
                return None
            pico += (usage.output - usage.reasoning) * self.output + usage.reasoning * self.reasoning
        return (pico + _PICO_PER_NANO // 2) // _PICO_PER_NANO


class PriceOverride(Protocol):
    """A dated price from the configuration: USD per million tokens, valid from a day on."""

    @property
    def target(self) -> str: ...
    @property
    def since(self) -> date: ...
    @property
    def input(self) -> float: ...
    @property
    def output(self) -> float: ...
    @property
    def cached_input(self) -> float | None: ...
    @property
    def cache_write(self) -> float | None: ...
    @property
    def cache_write_1h(self) -> float | None: ...


class PriceBook:
    """Prices by target (`provider/model`) under one configuration.

    `base_urls` and `apis` say where a provider's API stands and which wire format it speaks. The list is asked by the
    address; one that it does not know, by the provider's name; last, by the maker of the wire format.
    """

    def __init__(
        self,
        overrides: Iterable[PriceOverride] = (),
        base_urls: Mapping[str, str] | None = None,
        apis: Mapping[str, str] | None = None,
    ) -> None:
        self._overrides = sorted(overrides, key=lambda override: override.since, reverse=True)
        self._base_urls = dict(base_urls or {})
        self._apis = dict(apis or {})
        self._rates: dict[str, tuple[Rate, ...]] = {}
        self._day = -1
        self._missed: dict[str, dict[str, None]] = {}

    def miss(self, agent: str, target: str) -> None:
        """Remember that a call of the agent was served there without a known price."""
        self._missed.setdefault(agent, {})[target] = None

    def unpriced(self, agent: str) -> tuple[str, ...]:
        """The targets that have served that agent without a known price, since this configuration was loaded."""
        return tuple(self._missed.get(agent, ()))

    def cost(self, target: str, usage: Usage | None, now: float) -> int | None:
        """Cost in nano-dollars of an attempt that ended at `now` (Unix seconds); None when the price is unknown."""
        if usage is None:
            return None
        for rate in self.rates(target, now):
            if not rate.above or usage.input > rate.above:
                return rate.cost(usage)
        return None

    def rates(self, target: str, now: float) -> tuple[Rate, ...]:
        """The target's rates on that day, the highest tier first; empty when it has no known price."""
        day = int(now // _SECONDS_PER_DAY)
        if day != self._day:
            self._rates, self._day = {}, day
        rates = self._rates.get(target)
        if rates is None:
            rates = self._rates[target] = self._resolve(target, datetime.fromtimestamp(now, UTC))
        return rates

    def _resolve(self, target: str, at: datetime) -> tuple[Rate, ...]:
        for override in self._overrides:
            if override.target == target and override.since <= at.date():
                return (_from_override(override),)
        provider, _, model = target.partition("/")
        prices = self._look_up(provider, model, at)
        return _tiers(prices) if prices is not None else ()

    def _look_up(self, provider: str, model: str, at: datetime) -> Any:
        """genai-prices' entry, None when it has none. An address that it knows has the last word: what another
        provider takes for a model of the same name is not what this one does."""
        snapshot = get_snapshot()
        if (found := _known(None, self._base_urls.get(provider))) is not None:
            names = [found]
        else:
            api = _MAKERS.get(self._apis.get(provider, ""))
            names = [name for name in (_known(provider, None), api) if name is not None]
        for name in names:
            with suppress(LookupError):
                return snapshot.find_provider_model(model, None, name, None)[1].get_prices(at)
        return None


def _known(name: str | None, url: str | None) -> str | None:
    """The id under which genai-prices lists the provider of that name or at that address."""
    if name is None and url is None:
        return None
    try:
        return get_snapshot().find_provider(None, name, url).id
    except LookupError:
        return None


def _from_override(override: PriceOverride) -> Rate:
    cached = override.input if override.cached_input is None else override.cached_input
    written = override.input if override.cache_write is None else override.cache_write
    for_an_hour = written if override.cache_write_1h is None else override.cache_write_1h
    output = _pico(override.output)
    return Rate(_pico(override.input), _pico(cached), output, _pico(written), _pico(for_an_hour), output)


def _tiers(prices: Any) -> tuple[Rate, ...]:
    """One Rate a tier, the highest first; a tier's price holds for all tokens of a call beyond its start.

    Where a part has no price of its own, it pays what the whole does.
    """
    if prices.input_mtok is None:
        return ()
    parts = {name: getattr(prices, f"{member}_mtok") for name, member in _PARTS.items()}
    starts = {0, *(tier.start for part in parts.values() for tier in getattr(part, "tiers", ()))}
    request = 0 if prices.requests_kcount is None else round(Decimal(prices.requests_kcount) * _PICO_PER_USD_KCOUNT)
    return tuple(_tier(parts, start, request) for start in sorted(starts, reverse=True))


def _tier(parts: Mapping[str, Any], start: int, request: int) -> Rate:
    fresh = _pico(_at(parts["input"], start))
    at = {name: None if part is None else _pico(_at(part, start)) for name, part in parts.items()}
    cached = fresh if at["cached"] is None else at["cached"]
    written = fresh if at["cache_write"] is None else at["cache_write"]
    for_an_hour = written if at["cache_write_1h"] is None else at["cache_write_1h"]
    reasoning = (at["output"] or 0) if at["reasoning"] is None else at["reasoning"]
    return Rate(fresh, cached, at["output"], written, for_an_hour, reasoning, start, request)


def _at(part: Any, start: int) -> Decimal:
    """The price of a part for calls just beyond `start` input tokens."""
    price = part
    if hasattr(part, "tiers"):
        price = part.base
        for tier in part.tiers:
            price = tier.price if tier.start <= start else price
    return Decimal(price)


def _pico(usd_per_mtok: Decimal | float) -> int:
    return round(Decimal(str(usd_per_mtok)) * _PICO_PER_USD_MTOK)
