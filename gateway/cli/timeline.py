"""`serinus audit AGENT` for people: one line a decision in local time, with who, why and on which evidence."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.cli.output import Style, TextRow, local_time
from gateway.rollout.status_words import evidence_number, main_reason, weight

_BASIS_POINTS = 10_000
_STYLES: Mapping[str, Style] = {
    "roll_back": "red", "abort": "red", "exclude": "yellow", "pause": "yellow", "complete": "green", "freeze": "dim",
}  # fmt: skip


def timeline(events: Sequence[Mapping[str, Any]], now: datetime | None = None) -> list[TextRow]:
    """Return audit events as rows, in the order in which they are given; members that one lacks are left out."""
    return [_row(event, now) for event in events]


def _row(event: Mapping[str, Any], now: datetime | None) -> TextRow:
    action = str(event.get("action", "?"))
    at = local_time(event["at"], now) if isinstance(event.get("at"), int | float) else "?"
    change = f"{_weight(event)}epoch {event.get('epoch_after', '?')}"
    said = "; ".join(filter(None, (str(event.get("reason", "")), *_evidence(event.get("evidence")))))
    actor = f"{event.get('actor', '?'):<13}"
    text = f"{at}  {action.replace('_', ' '):<10}  {actor}  {change}: {said}"
    return TextRow(text.replace("\n", "\\n"), _STYLES.get(action, ""))


def _weight(event: Mapping[str, Any]) -> str:
    share = event.get("weight")
    return f"{weight(share / _BASIS_POINTS)}, " if event.get("phase") and isinstance(share, int) else ""


def _evidence(evidence: object) -> Iterator[str]:
    """Return what a decision rests on: failing conversations of both arms, E, the most frequent reason."""
    if not isinstance(evidence, Mapping):
        return
    failing, requests = evidence.get("canary_failing"), evidence.get("canary_requests")
    if failing is not None:
        others = f", stable's {evidence.get('stable_failing')} in {evidence.get('stable_requests')}"
        yield f"{failing} failing conversations in {requests} canary requests{others}"
    if isinstance(e_value := evidence.get("e_value"), int | float):
        yield f"E = {evidence_number(float(e_value))}"
    try:
        yield main_reason(evidence)
    except (TypeError, LookupError, AttributeError):  # of another version of the gateway
        return
