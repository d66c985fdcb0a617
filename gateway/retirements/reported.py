"""Retirement dates that providers report in their lists of models."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from gateway.errors import ProviderError
from gateway.formats.provider_json import parse

_MEMBERS = ("shutdown_date", "expiration_date")  # OpenAI's, and OpenRouter's
_MOST_MODELS = 20_000


class ReportedDates:
    """The dates that providers reported, by the address of their API. They outlive a configuration.

    A model that is listed with an empty date has none, whatever an older list says.
    """

    def __init__(self) -> None:
        self._dates: dict[str, Mapping[str, date | None]] = {}

    def take(self, base_url: str, body: bytes) -> int:
        """Take a provider's list of models; return how many dates it holds. Raises ProviderError for none."""
        answer = parse(body)
        models = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(models, list):
            raise ProviderError("malformed", "the answer is no list of models")
        dates = dict(_dates(models[:_MOST_MODELS]))
        self._dates[base_url] = dates
        return sum(each is not None for each in dates.values())

    def knows(self, base_url: str, model: str) -> bool:
        """Return whether the provider reports a date of the model, or that it has none."""
        return model in self._dates.get(base_url, {})

    def date(self, base_url: str, model: str) -> date | None:
        return self._dates[base_url][model]


def _dates(models: list[Any]) -> Iterator[tuple[str, date | None]]:
    for model in models:
        if not isinstance(model, dict) or not isinstance(model.get("id"), str):
            continue
        for member in _MEMBERS:
            if member in model:
                value = model[member]
                if value is None or (value := _date(value)) is not None:
                    yield model["id"], value
                break


def _date(value: object) -> date | None:
    """Return the day of a date or a time; None for what is neither."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None
