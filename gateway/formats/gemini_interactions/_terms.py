"""Words that requests and answers share: why an interaction ended, its usage, its errors' codes.

Sources: the API's reference, its page of error codes, and google-genai 3.6.
"""

from collections.abc import Mapping
from typing import Any

from gateway.calls import Usage, tokens
from gateway.formats import sse
from gateway.formats.answer import Stop
from gateway.formats.google.modalities import media_tokens
from gateway.formats.tiers import with_tier
from gateway.json_body import encode

PREVIOUS = "previous_interaction_id"
REVISION = b"2026-05-20"  # of the API: `steps` in place of `outputs`
UNFINISHED = frozenset({"in_progress", "queued", "idle"})  # runs on in the background
FAILED = frozenset({"failed", "cancelled"})
_CUT = frozenset({"incomplete", "budget_exceeded", "requires_continuation"})
_STATUSES: Mapping[Stop, str] = {
    "stop": "completed",
    "tool_calls": "requires_action",
    "length": "incomplete",
    "content_filter": "failed",
    "refusal": "failed",
    "pause": "incomplete",
}


def stop_of(status: str, called: bool) -> Stop:
    """Return why an answer of that status ended. An undocumented status is a plain stop."""
    if status in _CUT:
        return "length"
    if status in UNFINISHED:
        return "pause"
    return "tool_calls" if called else "stop"


def status_of(stop: Stop) -> str:
    """The status of a client's answer."""
    return _STATUSES[stop]


def usage_of(value: Any, tier: object = None) -> Usage | None:
    """Read `usage`: the output excludes thoughts, the input includes what was cached, tool use is input.

    Where the total exceeds all of them, the rest is output. `tier` is the `service_tier` beside it.
    """
    if not isinstance(value, dict):
        return None
    given = tokens(value.get("total_input_tokens")) + tokens(value.get("total_tool_use_tokens"))
    thoughts = tokens(value.get("total_thought_tokens"))
    said = tokens(value.get("total_output_tokens"))
    made = max(said + thoughts, tokens(value.get("total_tokens")) - given)
    cached = min(tokens(value.get("total_cached_tokens")), given)
    media = media_tokens(
        (value.get("input_tokens_by_modality"), given),
        (value.get("cached_tokens_by_modality"), cached),
        (value.get("output_tokens_by_modality"), said),
    )
    return with_tier(Usage(given, cached, made, thoughts, media=media), tier)


def usage_members(usage: Usage) -> dict[str, int]:
    """`usage` for a client. Writes into a cache have no count of their own here; they are input."""
    return {
        "total_tokens": usage.input + usage.output,
        "total_input_tokens": usage.input,
        "total_cached_tokens": usage.cached,
        "total_output_tokens": usage.output - usage.reasoning,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": usage.reasoning,
    }


def event_of(kind: str, members: Mapping[str, Any]) -> bytes:
    """Write one server-sent event of that type."""
    return sse.event(encode({**members, "event_type": kind}).encode(), kind)
