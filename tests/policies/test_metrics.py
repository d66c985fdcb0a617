"""Which failures are a version's own."""

import pytest

from policies.metrics import counts_as_error


@pytest.mark.parametrize("kind", ["timeout", "connect", "lost", "malformed", "error_in_200", "truncated"])
@pytest.mark.parametrize("status", [None, 200])
def test_everything_but_an_answered_status_counts(kind: str, status: int | None) -> None:
    """A 200 with an error in it is no success."""
    assert counts_as_error(kind, status)


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        *((status, True) for status in (500, 501, 502, 503, 529, 599)),
        *((status, True) for status in (401, 403, 404, 405)),
        *((status, False) for status in (400, 402, 408, 409, 413, 422, 429, 499)),
    ],
)
def test_a_status_counts_when_it_is_about_what_the_version_decides(status: int, counts: bool) -> None:
    """5xx, the model and the key are; other 4xx are the client's and 429 is the account's."""
    assert counts_as_error("status", status) is counts


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_parameter_counts_when_the_version_set_it(status: int) -> None:
    """The client could not have sent anything better."""
    assert counts_as_error("status", status, blames_version=True)


def test_a_status_that_is_not_known_counts() -> None:
    """Something came back that nobody could read."""
    assert counts_as_error("status", None)
