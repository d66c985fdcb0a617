"""What a call cost, in integer nano-dollars (1e-9 USD).

Rates come from genai-prices and from dated overrides in the configuration. They are resolved once per target and day
into integers; a call costs a dictionary look-up and four multiplications. A model without a known price costs None,
never 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

from genai_prices.data_snapshot import get_snapshot

from gateway.calls import Usage

_PICO_PER_USD_MTOK = 1_000_000  # USD per million tokens -> 1e-12 USD per token
_PICO_PER_NANO = 1000
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices of one target in 1e-12 USD per token; they hold for calls of more than `above` input tokens."""

    input: int
    cached: int
    output: int
    above: int = 0

    def cost(self, usage: Usage) -> int:
        """Cost in nano-dollars; cached tokens are part of the input and pay their own rate."""
        fresh = usage.input - usage.cached
        pico = fresh * self.input + usage.cached * self.cached + usage.output * self.output
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


class PriceBook:
    """Prices by target (`provider/model`). `base_urls` tells which API a provider's name stands for."""

    def __init__(self, overrides: Iterable[PriceOverride] = (), base_urls: Mapping[str, str] | None = None) -> None:
        self._overrides = sorted(overrides, key=lambda override: override.since, reverse=True)
        self._base_urls = dict(base_urls or {})
        self._rates: dict[str, tuple[Rate, ...]] = {}
        self._day = -1

    def cost(self, target: str, usage: Usage | None, now: float) -> int | None:
        """Cost in nano-dollars of an attempt that ended at `now` (Unix seconds); None when the price is unknown."""
        if usage is None:
            return None
        rates = self.rates(target, now)
        rate = next((rate for rate in rates if usage.input > rate.above or not rate.above), None)
        return rate.cost(usage) if rate else None

    def rates(self, target: str, now: float) -> tuple[Rate, ...]:
        """The target's rates on that day, the highest tier first; empty when it has no known price."""
        day = int(now // _SECONDS_PER_DAY)
        if day != self._day:
            self._rates, self._day = {}, day
        if target not in self._rates:
            self._rates[target] = self._resolve(target, datetime.fromtimestamp(now, UTC))
        return self._rates[target]

    def _resolve(self, target: str, at: datetime) -> tuple[Rate, ...]:
        for override in self._overrides:
            if override.target == target and override.since <= at.date():
                return (_from_override(override),)
        provider, _, model = target.partition("/")
        prices = self._look_up(provider, model, at)
        return _tiers(prices) if prices is not None else ()

    def _look_up(self, provider: str, model: str, at: datetime) -> Any:
        """genai-prices' entry by the provider's API address, else by its name; None when it knows neither."""
        for where in ({"url": self._base_urls.get(provider), "id": None}, {"url": None, "id": provider}):
            if where["url"] is None and where["id"] is None:
                continue
            try:
                _, info = get_snapshot().find_provider_model(model, None, where["id"], where["url"])
            except LookupError:
                continue
            return info.get_prices(at)
        return None


def _from_override(override: PriceOverride) -> Rate:
    cached = override.input if override.cached_input is None else override.cached_input
    return Rate(_pico(override.input), _pico(cached), _pico(override.output))


def _tiers(prices: Any) -> tuple[Rate, ...]:
    """One Rate a tier, the highest first; a tier's price holds for all tokens of a call beyond its start."""
    if prices.input_mtok is None or prices.output_mtok is None:
        return ()
    cached = prices.input_mtok if prices.cache_read_mtok is None else prices.cache_read_mtok
    parts = (prices.input_mtok, cached, prices.output_mtok)
    starts = {0, *(tier.start for part in parts for tier in getattr(part, "tiers", ()))}
    return tuple(_tier(parts, start) for start in sorted(starts, reverse=True))


def _tier(parts: tuple[Any, Any, Any], start: int) -> Rate:
    fresh, cached, output = (_pico(_at(part, start)) for part in parts)
    return Rate(fresh, cached, output, above=start)


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
