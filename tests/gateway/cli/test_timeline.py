"""`serinus audit` for people."""

from datetime import UTC, datetime

from gateway.cli.output import TextRow
from gateway.cli.timeline import timeline

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
EVENT = {
    "at": NOW.timestamp(), "action": "roll_back", "actor": "controller", "reason": "error_rate <= 20%",
    "phase": "rolled_back", "weight": 500, "epoch_after": 3,
    "evidence": {
        "canary_failing": 12, "canary_requests": 40, "stable_failing": 1, "stable_requests": 160, "e_value": 184.2,
        "reasons": [{"failure": "status", "status": 503, "code": None, "message": "overloaded\x1b", "target": "p/m",
                     "count": 12, "last_at": "2026-11-30T12:00:00Z", "calls": ["c-1"], "is_error": True}],
    },
}  # fmt: skip


def test_a_decision_is_one_line() -> None:
    """When in local time, what, who, the weight, why, on which evidence, and a call to look at."""
    (row,) = timeline([EVENT], NOW)
    said = "12 failing conversations in 40 canary requests, stable's 1 in 160; E = 184"
    at = f"{NOW.astimezone():%H:%M:%S}"
    assert row.style == "red" and row.text.startswith(
        f'{at}  roll back   controller     5 %, epoch 3: error_rate <= 20%; {said}; 12 × "overloaded'
    )
    assert row.text.endswith("call c-1")


def test_a_line_end_in_a_reason_makes_no_line() -> None:
    """Nobody forges a decision."""
    (row,) = timeline([{**EVENT, "reason": "a\n12:00:00  complete", "evidence": {}}], NOW)
    assert "\n" not in row.text and "a\\n12:00:00" in row.text


def test_other_versions_events_are_shown_as_far_as_they_go() -> None:
    """Without a time, a weight or evidence that is understood."""
    odd = {"action": "start", "evidence": {"reasons": [{"new": 1}]}, "phase": None}
    assert timeline([{}, odd, {"evidence": []}]) == [
        TextRow("?  ?           ?              epoch ?: "),
        TextRow("?  start       ?              epoch ?: "),
        TextRow("?  ?           ?              epoch ?: "),
    ]
