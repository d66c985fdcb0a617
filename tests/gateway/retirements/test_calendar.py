"""Retirement dates of targets, and who has the last word on them."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import Literal

import pytest

from gateway.retirements import ReportedDates, RetirementCalendar
from gateway.retirements.calendar import WARN_DAYS

OPENAI = "https://api.openai.com/v1"
TODAY = date(2026, 11, 30)


@dataclass(frozen=True)
class Entry:
    target: str
    on: date | Literal["never"]


def dated(target: str, base_url: str = OPENAI, *entries: Entry, reported: ReportedDates | None = None) -> str | None:
    """The target's date, where one is known."""
    calendar = RetirementCalendar(entries, {target.partition("/")[0]: base_url}, reported)
    ending = calendar.ending(target, TODAY)
    return None if ending is None else str(ending.on)


@pytest.mark.parametrize(
    ("model", "base_url", "on"),
    [
        ("gpt-5", OPENAI, "2026-12-11"),
        ("gpt-4o", OPENAI, "2027-01-14"),
        ("ft:gpt-4o-2024-08-06:acme::abc", OPENAI, "2027-01-14"),  # a fine-tuned model ends with its base
        ("gpt-4o", "https://acme.openai.azure.com/openai/v1", None),  # a cloud ends it on a day of its own
        ("openai/gpt-4o", "https://openrouter.ai/api/v1", None),
        ("gpt-4o-audio", OPENAI, None),
        ("gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta", "2026-12-01"),
        ("gemini-2.5-flash", "https://europe-west1-aiplatform.googleapis.com/v1", "2026-10-16"),
        ("gpt-4o", "https://api.openai.com.evil.example/v1", None),
        ("gpt-4o", "https://eu.api.openai.com/v1", "2027-01-14"),
    ],
)
def test_a_date_belongs_to_a_model_at_a_host(model: str, base_url: str, on: str | None) -> None:
    """The list knows exact names, where they stand."""
    assert dated(f"mine/{model}", base_url) == on


def test_the_configuration_has_the_last_word() -> None:
    """Over the list and over what the provider reports; `never` takes a date away."""
    reported = ReportedDates()
    reported.take(OPENAI, b'{"data": [{"id": "gpt-4o", "shutdown_date": "2027-03-01"}]}')
    assert dated("openai/gpt-4o", reported=reported) == "2027-03-01"
    assert dated("openai/gpt-4o", OPENAI, Entry("openai/gpt-4o", date(2028, 1, 1)), reported=reported) == "2028-01-01"
    assert dated("openai/gpt-4o", OPENAI, Entry("openai/gpt-4o", "never"), reported=reported) is None


def test_a_provider_that_names_no_date_takes_the_lists_away() -> None:
    """`null` is a word; a model that is not listed, or listed without the member, is not."""
    reported = ReportedDates()
    reported.take(OPENAI, b'{"data": [{"id": "gpt-4o", "shutdown_date": null}, {"id": "gpt-5"}]}')
    assert dated("openai/gpt-4o", reported=reported) is None
    assert dated("openai/gpt-5", reported=reported) == "2026-12-11"


def test_only_what_ends_soon_is_near() -> None:
    """Within 60 days, the nearest first; the day itself counts as over."""
    days = {"a": WARN_DAYS, "b": WARN_DAYS + 1, "c": 0, "d": 1}
    entries = [Entry(f"x/{name}", TODAY + timedelta(days=left)) for name, left in days.items()]
    near = list(RetirementCalendar(entries, {"x": OPENAI}).near([entry.target for entry in entries], TODAY))
    assert [(each.target, each.days, each.is_over) for each in near] == [
        ("x/c", 0, True), ("x/d", 1, False), ("x/a", WARN_DAYS, False),
    ]  # fmt: skip
    assert str(near[0]) == "x/c was retired on 2026-11-30 (gateway.yaml)"
    assert str(near[1]) == "x/d will be retired on 2026-12-01, in 1 day (gateway.yaml)"


def test_every_listed_date_has_its_source() -> None:
    """Each host names the page that was read, and no model stands there twice."""
    listed = json.loads(files("gateway.retirements").joinpath("known.json").read_text("utf-8"))
    date.fromisoformat(listed["read"])
    for provider in listed["providers"]:
        assert provider["source"].startswith("https://")
        assert all(str(date.fromisoformat(on)) == on for on in provider["dates"])
        models = [model for models in provider["dates"].values() for model in models]
        assert len(models) == len(set(models))
