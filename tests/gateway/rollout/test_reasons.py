"""Reasons of failures in the order in which somebody wants them who asks why calls fail now."""

from gateway.rollout.reasons import reason_views
from gateway.store.failures import CountedReason, FailureReason


def counted(message: str, count: int, at: float, failure: str = "status") -> CountedReason:
    return CountedReason(FailureReason("p/m", failure, 500, "", message, True), count, at)


def test_what_fails_now_stands_before_what_failed_earlier() -> None:
    """However often that was; a cause before the circuit that it opened, then the more frequent one."""
    found = reason_views(
        [
            counted("an hour ago", 400, 1000.0),
            counted("its circuit is open", 300, 4600.0, "circuit_open"),
            CountedReason(None, 250, 4600.0),
            counted("overloaded", 3, 4590.0),
            counted("bad key", 15, 4599.0),
        ]
    )
    assert [view.message for view in found] == ["bad key", "overloaded", "its circuit is open", "an hour ago"]


def test_nothing_known_is_no_reason() -> None:
    """A version that has not failed, or whose reasons are too many to be told apart."""
    assert reason_views([]) == () and reason_views([CountedReason(None, 3)]) == ()
