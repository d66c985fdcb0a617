"""Reading a view back from JSON."""

from dataclasses import asdict

import orjson
import pytest

from gateway.rollout.status_view import OutlookView, StatusView
from gateway.views import UnreadableView, read_view
from tests.support.views import agent_view, call_sums, status_view, version_view


def test_a_status_is_read_back_as_it_was() -> None:
    """What `orjson` writes of a view is that view again."""
    versions = {"v1": version_view(), "v2": version_view(shadow=call_sums(), quality=None)}
    agent = agent_view(versions=versions, outlook=OutlookView(0.5, None, 12))
    view = status_view(agent, circuits={"p/m": "open"})
    assert read_view(StatusView, orjson.loads(orjson.dumps(view))) == view


def test_unknown_members_are_passed_over() -> None:
    """A newer gateway may say more, at every level."""
    said = {**asdict(status_view()), "later": 1}
    said["gateway"]["later"] = {"and": "more"}
    assert read_view(StatusView, orjson.loads(orjson.dumps(said))) == status_view()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({}, "error_ratio_low: missing"),
        ([], "the whole: "),
        ({"error_ratio_low": "low", "error_ratio_high": None, "canary_requests_to_rollback": 1}, "error_ratio_low: "),
    ],
)
def test_what_does_not_fit_is_named(value: object, complaint: str) -> None:
    """One line, which begins with the first member that does not fit."""
    with pytest.raises(UnreadableView, match=f"^{complaint}"):
        read_view(OutlookView, value)
