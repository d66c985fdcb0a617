"""Retirement dates of targets: the configuration's, else what the provider reports, else those of the list.

The list (`known.json`) names each date's source. Dates belong to a host: a cloud that resells a model ends it on
another day.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from gateway.retirements.reported import ReportedDates

WARN_DAYS = 60  # the shortest notice that the large providers promise
_CONFIGURED = "gateway.yaml"
_FINE_TUNED = "ft:"  # `ft:gpt-4o-2024-08-06:org::id` ends with the model that it was made from


class RetirementEntry(Protocol):
    """A date from the configuration; `never` says that the target stays."""

    @property
    def target(self) -> str: ...
    @property
    def on(self) -> date | Literal["never"]: ...


class _Listed(NamedTuple):
    on: date
    source: str


@dataclass(frozen=True, slots=True)
class ModelEnding:
    """The retirement of a target, and who says so. `days` are those that are left; 0 or less: it has been retired."""

    target: str
    on: date
    days: int
    source: str

    @property
    def is_over(self) -> bool:
        return self.days <= 0

    def __str__(self) -> str:
        if self.is_over:
            return f"{self.target} was retired on {self.on} ({self.source})"
        left = "1 day" if self.days == 1 else f"{self.days} days"
        return f"{self.target} will be retired on {self.on}, in {left} ({self.source})"


class RetirementCalendar:
    """The retirement dates under one configuration. `base_urls` are those of its providers, by name."""

    def __init__(
        self,
        entries: Iterable[RetirementEntry] = (),
        base_urls: Mapping[str, str] | None = None,
        reported: ReportedDates | None = None,
    ) -> None:
        self._entries = {entry.target: entry.on for entry in entries}
        self._base_urls = dict(base_urls or {})
        self._reported = reported or ReportedDates()

    def near(self, targets: Iterable[str], today: date) -> Iterator[ModelEnding]:
        """Return the targets that have been retired, or will be within 60 days, in the order of their dates."""
        found = [ending for target in targets if (ending := self.ending(target, today)) is not None]
        yield from sorted((each for each in found if each.days <= WARN_DAYS), key=lambda each: (each.on, each.target))

    def ending(self, target: str, today: date) -> ModelEnding | None:
        """Return the target's retirement; None where no date is known."""
        found = self._date(target)
        return None if found is None else ModelEnding(target, found.on, (found.on - today).days, found.source)

    def _date(self, target: str) -> _Listed | None:
        if target in self._entries:
            written = self._entries[target]
            return _Listed(written, _CONFIGURED) if isinstance(written, date) else None
        provider, _, model = target.partition("/")
        base_url = self._base_urls.get(provider)
        if base_url is None:
            return None
        if self._reported.knows(base_url, model):
            on = self._reported.date(base_url, model)
            return None if on is None else _Listed(on, f"reported by {provider}")
        return _listed(urlsplit(base_url).hostname or "", model)


def _listed(host: str, model: str) -> _Listed | None:
    base = model.removeprefix(_FINE_TUNED).partition(":")[0] if model.startswith(_FINE_TUNED) else model
    for suffix, dates in _known().items():
        if host == suffix or host.endswith((f".{suffix}", f"-{suffix}")):
            return dates.get(base)
    return None


@cache
def _known() -> Mapping[str, Mapping[str, _Listed]]:
    """The list: dates by model, by the end of a host's name."""
    written = json.loads(files("gateway.retirements").joinpath("known.json").read_text("utf-8"))
    return {
        provider["host"]: {
            model: _Listed(date.fromisoformat(on), provider["source"])
            for on, models in provider["dates"].items()
            for model in models
        }
        for provider in written["providers"]
    }
