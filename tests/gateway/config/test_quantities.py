import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import quantities


@pytest.mark.parametrize(
    ("written", "points"),
    [("0%", 0), ("5%", 500), ("0.25%", 25), ("12.5%", 1250), ("100%", 10_000), ("100.00%", 10_000)],
)
def test_percent_is_read_as_basis_points(written: str, points: int) -> None:
    """A share is exact: one basis point is the smallest."""
    assert quantities.basis_points(written) == points


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (5, "with its sign, such as 5%"),
        (0.05, "with its sign, such as 5%"),
        ("5", "write a percentage such as 5%"),
        ("5 %", "write a percentage such as 5%"),
        ("-5%", "write a percentage such as 5%"),
        ("5%\n", "write a percentage such as 5%"),
        ("0.005%", "the smallest share is 0.01%"),
        ("101%", "more than 100%"),
    ],
)
def test_wrong_percentages_show_the_way_out(written: object, complaint: str) -> None:
    """5 may mean 5 % or 500 %, so the sign is asked for."""
    with pytest.raises(ValueError, match=complaint):
        quantities.basis_points(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("0s", 0.0), ("1.5s", 1.5), ("30m", 1800.0), ("2h", 7200.0), ("1d", 86_400.0)],
)
def test_duration_is_read_as_seconds(written: str, seconds: float) -> None:
    """Milliseconds to days."""
    assert quantities.seconds(written) == seconds


@pytest.mark.parametrize("written", [30, "30", "1h30m", "-1s", "1 s", "1w", "٣s", True, None])
def test_wrong_durations_show_an_example(written: object) -> None:
    """A bare number has no unit, so it is refused."""
    with pytest.raises(ValueError, match="write a duration"):
        quantities.seconds(written)


def test_zero_is_no_timeout() -> None:
    """Where something must be waited for, 0 is refused."""
    with pytest.raises(ValueError, match="longer than 0s"):
        quantities.positive_seconds("0ms")


def test_sizes() -> None:
    """Powers of 1024; a bare number, a fraction and 0 are refused."""
    assert [quantities.size(written) for written in ("1B", "1kB", "32MB", "1GB")] == [1, 1024, 32 * 1024**2, 1024**3]
    for wrong in (32, "32", "1.5MB", "0MB", "32mb"):
        with pytest.raises(ValueError, match=r"size|more than"):
            quantities.size(wrong)


@given(st.integers(0, 10_000))
def test_percentages_are_shown_as_they_are_read(points: int) -> None:
    """Showing and reading are inverse."""
    assert quantities.basis_points(quantities.show_percent(points)) == points


@given(st.integers(1, 900_000))
def test_durations_and_sizes_are_shown_as_they_are_read(number: int) -> None:
    """Showing and reading are inverse."""
    assert quantities.seconds(quantities.show_seconds(number / 1000)) == number / 1000
    assert quantities.size(quantities.show_size(number)) == number
