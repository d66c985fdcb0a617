"""What providers report in their lists of models."""

import json

import pytest

from gateway.errors import ProviderError
from gateway.retirements import ReportedDates

AT = "https://api.example.com/v1"


def reported(*models: object) -> ReportedDates:
    dates = ReportedDates()
    dates.take(AT, json.dumps({"data": models}).encode())
    return dates


@pytest.mark.parametrize(
    ("model", "on"),
    [
        ({"id": "m", "shutdown_date": "2027-01-14"}, "2027-01-14"),
        ({"id": "m", "expiration_date": "2027-01-14"}, "2027-01-14"),
        ({"id": "m", "shutdown_date": "2027-01-14T00:00:00Z"}, "2027-01-14"),
        ({"id": "m", "shutdown_date": None}, "None"),
    ],
)
def test_a_date_is_read(model: object, on: str) -> None:
    """OpenAI's and OpenRouter's member, as a day or as a time; null says that there is none."""
    dates = reported(model)
    assert dates.knows(AT, "m") and str(dates.date(AT, "m")) == on


@pytest.mark.parametrize(
    "model",
    [
        "m", None, {"id": 1, "shutdown_date": "2027-01-14"}, {"shutdown_date": "2027-01-14"}, {"id": "m"},
        {"id": "m", "shutdown_date": "soon"}, {"id": "m", "shutdown_date": 1800000000},
        {"id": "m", "shutdown_date": "2027-02-30"},
    ],
)  # fmt: skip
def test_what_is_no_date_says_nothing(model: object) -> None:
    """And the rest of the list is read."""
    dates = reported(model, {"id": "n", "shutdown_date": "2027-01-14"})
    assert not dates.knows(AT, "m") and dates.knows(AT, "n")
    assert not dates.knows("https://elsewhere.example.com/v1", "n")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data": {}}', b'{"data": "x"}', b"\xff", b"[" * 100_000])
def test_what_is_no_list_changes_nothing(body: bytes) -> None:
    """A page of HTML in place of the list, or hostile JSON: what was known stays."""
    dates = reported({"id": "m", "shutdown_date": "2027-01-14"})
    with pytest.raises(ProviderError):
        dates.take(AT, body)
    assert dates.knows(AT, "m")
