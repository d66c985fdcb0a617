"""The built-in price list, genai-prices'. It is read in a process that ends when it has answered.

The list and what it imports take 11 MB, of which a gateway needs the lines of its own models. What was not asked for
beforehand, such as a model that is passed on, has the list loaded into this process, and so has all else where no other
process can be started: prices do not depend on it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from gateway.child_environment import environment
from gateway.pricing.rates import SECONDS_PER_DAY, Change, MediaRates, PriceSchedule, Rate
from gateway.pricing.unpriced import UnpricedTargets

_ANSWER_SECONDS = 10.0  # it takes a third of one, on an idle core
_READER = """
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from gateway.pricing.pricelist import answer
answer()
"""
MOST_KEPT = 4096  # schedules and periods; caches, which begin anew when they are full
_PICO_PER_USD_MTOK = 1_000_000  # USD per million tokens -> 1e-12 USD per token
_PICO_PER_USD_KCOUNT = 1_000_000_000  # USD per thousand requests -> 1e-12 USD per request
_EPOCH = date(1970, 1, 1)

# genai-prices' name for each part of a price.
_PARTS: Mapping[str, str] = {
    "input": "input", "cached": "cache_read", "cache_write": "cache_write", "cache_write_1h": "cache_write_1h",
    "output": "output", "reasoning": "output_reasoning",
}  # fmt: skip


# The same for tokens that are not text, in the order of `MediaRates`.
_MEDIA = (
    "input_audio", "input_image", "input_video", "cache_audio_read", "cache_image_read",
    "output_audio", "output_image", "output_video",
)  # fmt: skip
_AUDIO = 0
# Whose list names every kind of input that is not billed as text.
_COMPLETE = frozenset({"google"})


class PriceListFailed(Exception):
    """The process that was to read the list could not, and why."""


class PricedModel(NamedTuple):
    """A model as the list is asked for it: by the address of its provider's API; one that it does not know, by the
    provider's name; last, by the maker of the wire format."""

    provider: str
    model: str
    base_url: str | None
    maker: str | None


class PriceList:
    """The price schedules that were asked for so far, and the targets that have served without a price.

    `read` looks a price up in this process; another process may take `answer_seconds` to do so.
    """

    def __init__(
        self, read: Callable[[PricedModel], PriceSchedule] | None = None, answer_seconds: float = _ANSWER_SECONDS
    ) -> None:
        self._read = read or listed
        self._answer_seconds = answer_seconds
        self._schedules: dict[PricedModel, PriceSchedule] = {}
        self._names: dict[tuple[str, str | None], tuple[str, ...]] = {}
        self.unpriced = UnpricedTargets()

    def schedule(self, entry: PricedModel) -> PriceSchedule:
        """Return the built-in list's schedule; one without changes when the list has none."""
        schedule = self._schedules.get(entry)
        if schedule is None:
            if len(self._schedules) >= MOST_KEPT:
                self._schedules.clear()
            schedule = self._schedules[entry] = self._read(entry)
        return schedule

    def names(self, entry: PricedModel) -> tuple[str, ...]:
        """Return the names of the provider's models that are on offer; none of a provider that the list has not."""
        key = entry.provider, entry.base_url
        if key not in self._names:
            self._names[key] = names_listed(entry)
        return self._names[key]

    def open(self) -> None:
        """Load the whole list into this process."""
        self.schedule(PricedModel("", "", None, None))

    def learn(self, entries: Iterable[PricedModel]) -> None:
        """Ask for what is not known yet, in a process of its own. Raises PriceListFailed."""
        asked = [entry for entry in set(entries) if entry not in self._schedules]
        if not asked:
            return
        command = [sys.executable, "-P", "-c", _READER, json.dumps(sys.path)]
        try:
            said = subprocess.run(  # noqa: S603 - our own interpreter and text
                command,
                input=json.dumps(asked).encode(),
                capture_output=True,
                check=True,
                timeout=self._answer_seconds,
                env=environment(),
            )
            answers = [_schedule(changes) for changes in json.loads(said.stdout)]
            self._schedules.update(zip(asked, answers, strict=True))
        except subprocess.CalledProcessError as error:
            raise PriceListFailed(error.stderr.decode(errors="replace").strip() or str(error)) from error
        except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
            raise PriceListFailed(str(error)) from error


def answer() -> None:
    """Read entries from standard input, and write a list of changes for each: the other end of `PriceList.learn`."""
    json.dump([listed(PricedModel(*asked)).changes for asked in json.load(sys.stdin)], sys.stdout, default=astuple)


def _schedule(changes: Iterable[Any]) -> PriceSchedule:
    return PriceSchedule([Change(day, second, tuple(map(_rate, rates))) for day, second, rates in changes])


def _rate(members: Sequence[Any]) -> Rate:
    *text, media = members
    rate = Rate(*text)
    return rate if media is None else replace(rate, media=MediaRates(*media))


def listed(entry: PricedModel) -> PriceSchedule:
    """Return the built-in list's price, looked up in this process. An address that the list knows has the last word:
    another provider's price for a model of the same name does not apply."""
    from genai_prices.data_snapshot import get_snapshot

    for name in providers_of(entry):
        with suppress(LookupError):
            provider, model = get_snapshot().find_provider_model(entry.model, None, name, None)
            return _over_time(model, is_complete=provider.id in _COMPLETE)
    return PriceSchedule(())


def names_listed(entry: PricedModel) -> tuple[str, ...]:
    """Return the names that the built-in list has of the provider's models, without those that are withdrawn."""
    from genai_prices.data_snapshot import get_snapshot

    provider = next(iter(providers_of(entry)), None)
    models = [each.models for each in get_snapshot().providers if each.id == provider]
    return tuple(model.id for model in chain(*models) if not model.deprecated and not model.id.endswith("-"))


@lru_cache(maxsize=1024)
def maker_of(model: str) -> str | None:
    """Return who makes a model of that name, by the list's id; None where the name does not tell."""
    from genai_prices.data_snapshot import get_snapshot

    with suppress(LookupError):
        return get_snapshot().find_provider(model, None, None).id
    return None


def providers_of(entry: PricedModel) -> list[str]:
    """Return the ids under which the list may have the model. An address that it knows has the last word."""
    if (found := _known(None, entry.base_url)) is not None:
        return [found]
    return [name for name in (_known(entry.provider, None), entry.maker) if name is not None]


def _known(name: str | None, url: str | None) -> str | None:
    """The id under which the list has the provider of that name or at that address."""
    from genai_prices.data_snapshot import get_snapshot

    if name is None and url is None:
        return None
    try:
        return get_snapshot().find_provider(None, name, url).id
    except LookupError:
        return None


def _over_time(model: Any, *, is_complete: bool) -> PriceSchedule:
    """Each day on which a price of the model begins, with each time of day at which one begins or ends."""
    constraints = [price.constraint for price in model.prices] if isinstance(model.prices, list) else []
    days = {_EPOCH, *(each.start_date for each in constraints if hasattr(each, "start_date"))}
    daily = [each for each in constraints if hasattr(each, "start_time")]
    seconds = {0, *(_second(moment) for each in daily for moment in (each.start_time, each.end_time))}
    return PriceSchedule([_change(model, day, second, is_complete) for day in days for second in seconds])


def _change(model: Any, day: date, second: int, is_complete: bool) -> Change:
    days = (day - _EPOCH).days
    prices = model.get_prices(datetime.fromtimestamp(days * SECONDS_PER_DAY + second, UTC))
    return Change(days, second, tiers(prices, is_complete=is_complete))


def _second(moment: time) -> int:
    """Return the second of the day, UTC."""
    at = datetime.combine(_EPOCH, moment, moment.tzinfo or UTC).astimezone(UTC)
    return at.hour * 3600 + at.minute * 60 + at.second


def tiers(prices: Any, *, is_complete: bool = False) -> tuple[Rate, ...]:
    """Return one Rate per tier of genai-prices' `ModelPrice`, the highest first. A tier's price applies to all tokens
    of a call beyond its start.

    Where a part has no price of its own, it pays what the whole does; `is_complete` says so of recordings, too.
    """
    if prices.input_mtok is None:
        return ()
    parts = {name: getattr(prices, f"{member}_mtok") for name, member in _PARTS.items()}
    media = [getattr(prices, f"{member}_mtok") for member in _MEDIA]
    if is_complete and media[_AUDIO] is None:
        media[_AUDIO] = prices.input_mtok
    starts = {0, *(tier.start for part in (*parts.values(), *media) for tier in getattr(part, "tiers", ()))}
    request = 0 if prices.requests_kcount is None else round(Decimal(prices.requests_kcount) * _PICO_PER_USD_KCOUNT)
    return tuple(_tier(parts, media, start, request) for start in sorted(starts, reverse=True))


def _tier(parts: Mapping[str, Any], media: Sequence[Any], start: int, request: int) -> Rate:
    fresh = pico(_at(parts["input"], start))
    at = {name: None if part is None else pico(_at(part, start)) for name, part in parts.items()}
    cached = fresh if at["cached"] is None else at["cached"]
    written = fresh if at["cache_write"] is None else at["cache_write"]
    for_an_hour = written if at["cache_write_1h"] is None else at["cache_write_1h"]
    reasoning = (at["output"] or 0) if at["reasoning"] is None else at["reasoning"]
    others = MediaRates(*(None if part is None else pico(_at(part, start)) for part in media))
    apart = others if any(each is not None for each in others) else None
    return Rate(fresh, cached, at["output"], written, for_an_hour, reasoning, start, request, apart)


def _at(part: Any, start: int) -> Decimal:
    """The price of a part for calls just beyond `start` input tokens."""
    price = part
    if hasattr(part, "tiers"):
        price = part.base
        for tier in part.tiers:
            price = tier.price if tier.start <= start else price
    return Decimal(price)


def pico(usd_per_mtok: Decimal | float) -> int:
    """USD per million tokens in 1e-12 USD per token."""
    return round(Decimal(str(usd_per_mtok)) * _PICO_PER_USD_MTOK)
