"""Which failures are a version's own."""

import pytest

from policies.calls.blame import counts_as_error, is_rejection


@pytest.mark.parametrize("kind", ["timeout", "connect", "lost", "malformed", "error_in_200", "truncated"])
@pytest.mark.parametrize("status", [None, 200])
def test_everything_but_an_answered_status_counts(kind: str, status: int | None) -> None:
    """A 200 with an error in it is no success."""
    assert counts_as_error(kind, status)


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        *((status, True) for status in (401, 500, 502, 503, 529, 599)),
        *((status, False) for status in (400, 402, 403, 404, 405, 408, 409, 413, 422, 429, 499, 501)),
    ],
)
def test_a_status_counts_when_it_is_about_what_the_version_decides(status: int, counts: bool) -> None:
    """5xx and our key are; a client can cause other 4xx and 501, by a file that is not there for example."""
    assert counts_as_error("status", status) is counts


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 422])
def test_a_refused_parameter_counts_when_the_version_set_it(status: int) -> None:
    """The client could not have sent anything better."""
    assert counts_as_error("status", status, blames_version=True)


def test_a_status_that_is_not_known_counts() -> None:
    """Something came back that nobody could read."""
    assert counts_as_error("status", None)


@pytest.mark.parametrize(
    ("status", "rejected"),
    [
        *((status, True) for status in (400, 402, 403, 404, 405, 408, 409, 413, 422, 499, 501)),
        *((status, False) for status in (200, 429, 500, 503, None)),
    ],
)
def test_which_answers_are_rejections(status: int | None, rejected: bool) -> None:
    """Whatever a client or a version may have caused; a rate limit depends on how busy the arm is."""
    assert is_rejection("status", status) is rejected
    assert not is_rejection("timeout", status)
