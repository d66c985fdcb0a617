"""Behaviours in words, as page and command line say them."""

from gateway.rollout.status_view import apart_in_words
from tests.support.views import version_view


def test_behaviours_are_listed_by_version_the_most_frequent_first() -> None:
    """A version whose calls show none is not named; where none do, nothing is said."""
    versions = {
        "v1": version_view(rejected=0),
        "v2": version_view(rejected=0, behaviours={"empty": 2, "truncated": 1234}),
    }
    assert apart_in_words(versions) == ["Behaviours that calls showed: v2 truncated 1,234, empty 2."]
    assert apart_in_words({"v1": versions["v1"]}) == []
