"""The prices of one configuration: its own overrides, and behind them the list."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final, Protocol

from gateway.calls import Usage
from gateway.pricing.pricelist import MOST_KEPT, PricedModel, PriceList, maker_of, pico, providers_of
from gateway.pricing.rates import SECONDS_PER_DAY, MediaRates, Period, Rate

_MOST_NOTED: Final = 4096  # targets that are known to be remembered


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
    @property
    def input_audio(self) -> float | None: ...
    @property
    def output_audio(self) -> float | None: ...
    @property
    def output_image(self) -> float | None: ...
    @property
    def service_tier(self) -> str | None: ...


class PriceBook:
    """Prices by target (`provider/model`) under one configuration.

    `base_urls` and `makers` say where a provider's API stands and who makes its models: see `PricedModel`. The
    providers in `own_alone` have no other maker's models. The list outlives the configuration.
    """

    def __init__(
        self,
        overrides: Iterable[PriceOverride] = (),
        base_urls: Mapping[str, str] | None = None,
        makers: Mapping[str, str] | None = None,
        pricelist: PriceList | None = None,
        own_alone: Iterable[str] = (),
    ) -> None:
        self._overrides = sorted(overrides, key=lambda override: override.since, reverse=True)
        self._base_urls = dict(base_urls or {})
        self._makers = dict(makers or {})
        self._list = pricelist or PriceList()
        self._own_alone = frozenset(own_alone)
        self._periods: dict[str, Period] = {}
        self._noted: set[tuple[str, str]] = set()

    def learn(self, targets: Iterable[str]) -> None:
        """Have the list's prices of these targets ready, before a call needs them. May take a second; made for a
        thread. Raises PriceListFailed."""
        self._list.learn({self._entry(target) for target in targets})

    def miss(self, agent: str, target: str) -> None:
        """Remember that a call of the agent was served there without a known price."""
        if (agent, target) in self._noted:
            return
        if len(self._noted) >= _MOST_NOTED:  # of names that clients write
            self._noted.clear()
        self._noted.add((agent, target))
        self._list.unpriced.add(agent, target, self._looked_up_by(target))

    def unpriced(self, agent: str) -> tuple[str, ...]:
        """The targets that have served that agent without a known price, also under earlier configurations.

        Those whose price this configuration looks up in another way are left out until they serve again.
        """
        missed = self._list.unpriced.of(agent)
        return tuple(target for target, looked_up_by in missed if looked_up_by == self._looked_up_by(target))

    def lists(self, target: str) -> bool:
        """Return whether the provider, by its address or its name, is known to have the model."""
        if any(override.target == target for override in self._overrides):
            return True
        entry = self._entry(target)
        return self._may_have(entry) and bool(self._list.schedule(entry._replace(maker=None)).changes)

    def makes(self, target: str) -> bool:
        """Return whether the provider, by its address or its name, is the maker of models that are called like this."""
        entry = self._entry(target)._replace(maker=None)
        maker = maker_of(entry.model)
        return maker is not None and maker in providers_of(entry)

    def names(self, provider: str) -> tuple[str, ...]:
        """Return the models that the list has of the provider, by its address or its name."""
        entry = self._entry(f"{provider}/")
        names = self._list.names(entry._replace(maker=None))
        return tuple(name for name in names if self._may_have(entry._replace(model=name)))

    def _may_have(self, entry: PricedModel) -> bool:
        return entry.provider not in self._own_alone or maker_of(entry.model) in (None, entry.maker)

    def open_list(self) -> None:
        """Have the whole list in this process, for models that no configuration names. Made for a thread."""
        self._list.open()

    def cost(self, target: str, usage: Usage | None, now: float) -> int | None:
        """Cost in nano-dollars of an attempt that ended at `now` (Unix seconds); None when the price is unknown."""
        if usage is None:
            return None
        for rate in self.rates(target, now, usage.tier):
            if not rate.above or usage.input > rate.above:
                return rate.cost(usage)
        return None

    def rates(self, target: str, now: float, service_tier: str = "") -> tuple[Rate, ...]:
        """The target's rates at that time, the highest tier of input first; empty when it has no known price.

        The built-in list knows no service tiers: these have the configuration's prices alone.
        """
        key = f"{target} {service_tier}" if service_tier else target
        period = self._periods.get(key)
        if period is None or not period.begin <= now < period.end:
            if len(self._periods) >= MOST_KEPT:  # of names that clients write
                self._periods.clear()
            period = self._periods[key] = self._resolve(target, now, service_tier)
        return period.rates

    def _resolve(self, target: str, now: float, service_tier: str) -> Period:
        today, midnight = datetime.fromtimestamp(now, UTC).date(), now // SECONDS_PER_DAY * SECONDS_PER_DAY
        for override in self._overrides:
            if (override.target, override.service_tier or "") == (target, service_tier) and override.since <= today:
                return Period((_from_override(override),), midnight, midnight + SECONDS_PER_DAY)
        if service_tier:
            return Period((), midnight, midnight + SECONDS_PER_DAY)
        return self._list.schedule(self._entry(target)).at(now)

    def _looked_up_by(self, target: str) -> object:
        """Return what this configuration finds the target's price by."""
        entry = self._entry(target)
        own = tuple(override for override in self._overrides if override.target == target)
        return own, entry

    def _entry(self, target: str) -> PricedModel:
        provider, _, model = target.partition("/")
        return PricedModel(provider, model, self._base_urls.get(provider), self._makers.get(provider))


def _from_override(override: PriceOverride) -> Rate:
    cached = override.input if override.cached_input is None else override.cached_input
    written = override.input if override.cache_write is None else override.cache_write
    for_an_hour = written if override.cache_write_1h is None else override.cache_write_1h
    output = pico(override.output)
    audio, made_audio, made_image = override.input_audio, override.output_audio, override.output_image
    media = MediaRates(
        input_audio=None if audio is None else pico(audio),
        output_audio=None if made_audio is None else pico(made_audio),
        output_image=None if made_image is None else pico(made_image),
    )
    return Rate(pico(override.input), pico(cached), output, pico(written), pico(for_an_hour), output, media=media)
