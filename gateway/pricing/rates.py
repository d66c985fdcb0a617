"""Prices of models, as integers, and the periods in which they apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.calls import MediaTokens, Usage

SECONDS_PER_DAY = 86_400
_PICO_PER_NANO = 1000


class MediaRates(NamedTuple):
    """Prices of tokens that are not text, in 1e-12 USD; None where there is none. The members are `MediaTokens`'."""

    input_audio: int | None = None
    input_image: int | None = None
    input_video: int | None = None
    cached_audio: int | None = None
    cached_image: int | None = None
    output_audio: int | None = None
    output_image: int | None = None
    output_video: int | None = None


_NO_MEDIA = MediaRates()


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices of one target in 1e-12 USD per token; they hold for calls of more than `above` input tokens.

    `output` is None for what has no output, such as embeddings; `request` is what each request costs besides. `media`
    are the prices of tokens that are not text, None where all cost the same or no price is known.
    """

    input: int
    cached: int
    output: int | None
    cache_write: int
    cache_write_1h: int
    reasoning: int
    above: int = 0
    request: int = 0
    media: MediaRates | None = None

    def cost(self, usage: Usage) -> int | None:
        """Cost in nano-dollars; each part of the input or output pays its own rate. None for what has no price."""
        cached, written, output, reasoning = usage.cached, usage.cache_written, usage.output, usage.reasoning
        fresh = max(usage.input - cached - written, 0)
        pico = fresh * self.input + cached * self.cached + written * self.cache_write + self.request
        if usage.cache_written_1h:
            pico += usage.cache_written_1h * (self.cache_write_1h - self.cache_write)
        if output:
            if self.output is None:
                return None
            pico += (output - reasoning) * self.output + reasoning * self.reasoning
        if usage.media is not None:
            beyond = self._beyond_text(usage.media)
            if beyond is None:
                return None
            pico += beyond
        return (pico + _PICO_PER_NANO // 2) // _PICO_PER_NANO

    def _beyond_text(self, tokens: MediaTokens) -> int | None:
        """Return how much more tokens that are not text cost than the text as which they have been counted.

        Images and videos of the input without a price of their own cost what text does: so most providers bill them.
        Recordings, and all that a model makes besides text, are never as cheap: without a price the cost is unknown.
        """
        prices = self.media or _NO_MEDIA
        audio, image, video, cached_audio, cached_image, *made = tokens
        more = 0
        if audio:
            if prices.input_audio is None:
                return None
            kept = prices.cached_audio if prices.cached_audio is not None else self.cached
            more += (audio - cached_audio) * (prices.input_audio - self.input) + cached_audio * (kept - self.cached)
        if image and prices.input_image is not None:
            kept = prices.cached_image if prices.cached_image is not None else self.cached
            more += (image - cached_image) * (prices.input_image - self.input) + cached_image * (kept - self.cached)
        if video and prices.input_video is not None:
            more += video * (prices.input_video - self.input)
        for count, price in zip(made, prices[5:], strict=True):
            if count and (price is None or self.output is None):
                return None
            more += count * ((price or 0) - (self.output or 0))
        return more


@dataclass(frozen=True, slots=True)
class Period:
    """Rates, the highest tier first, and the Unix seconds between which they hold; `end` is no longer among them.

    Without rates, what there is has no known price.
    """

    rates: tuple[Rate, ...]
    begin: float
    end: float


class Change(NamedTuple):
    """Rates that hold from a day on (days since 1970, UTC), each day from this second of it until another change's."""

    day: int
    second: int
    rates: tuple[Rate, ...]


class PriceSchedule:
    """Prices of a model over time: they change from a day on, and some with the time of day."""

    def __init__(self, changes: Sequence[Change]) -> None:
        """Every day that has a change has all of its own, the first one at second 0."""
        self.changes = tuple(sorted(changes))

    def at(self, now: float) -> Period:
        """The rates that hold then; none before the first day."""
        today, second = divmod(int(now), SECONDS_PER_DAY)
        midnight = today * SECONDS_PER_DAY
        day = max((change.day for change in self.changes if change.day <= today), default=None)
        of_day = [change for change in self.changes if change.day == day]
        begun = [change for change in of_day if change.second <= second]
        if not begun:
            return Period((), midnight, midnight + SECONDS_PER_DAY)
        ends = min((change.second for change in of_day if change.second > second), default=SECONDS_PER_DAY)
        return Period(begun[-1].rates, midnight + begun[-1].second, midnight + ends)
