"""Stop reasons and usage, shared by both sides of the Messages API."""

from collections.abc import Mapping
from typing import Any

from gateway.calls import Usage, tokens
from gateway.formats.answer import Stop
from gateway.formats.tiers import with_tier

STOPS: Mapping[str, Stop] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}
_REASONS: Mapping[Stop, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}


def stop_reason(stop: Stop, stop_sequence: str, calls: bool, refused: bool) -> str:
    """Return why an answer stopped, in this format's words. Its clients run tools on `tool_use` only."""
    if stop != "stop":
        return _REASONS[stop]
    if calls:
        return "tool_use"
    if refused:
        return "refusal"
    return "stop_sequence" if stop_sequence else "end_turn"


def usage(members: Any, before: Usage | None = None) -> Usage | None:
    """Return the usage of a `usage` object, None when it is none. Counts only grow: `before` is the usage so far."""
    if not isinstance(members, dict):
        return before
    said = before or Usage()
    cached = max(tokens(members.get("cache_read_input_tokens")), said.cached)
    written = max(tokens(members.get("cache_creation_input_tokens")), said.cache_written)
    kinds = members.get("cache_creation")
    for_an_hour = tokens(kinds.get("ephemeral_1h_input_tokens")) if isinstance(kinds, dict) else 0
    for_an_hour = min(max(for_an_hour, said.cache_written_1h), written)
    fresh = max(tokens(members.get("input_tokens")), said.input - said.cached - said.cache_written)
    output = max(tokens(members.get("output_tokens")), said.output)
    details = members.get("output_tokens_details")
    thought = tokens(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    reasoning = min(max(thought, said.reasoning), output)
    taken = fresh + cached + written
    tier = "fast" if members.get("speed") == "fast" else members.get("service_tier", said.tier)
    found = Usage(taken, cached, output, reasoning, cache_written=written, cache_written_1h=for_an_hour)
    return with_tier(found, tier)


def usage_members(usage: Usage | None) -> dict[str, Any]:
    """A `usage` object, whose `input_tokens` are those that no cache has seen."""
    usage = usage or Usage()
    members: dict[str, Any] = {
        "input_tokens": max(usage.input - usage.cached - usage.cache_written, 0),
        "cache_creation_input_tokens": usage.cache_written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.cache_written_1h:
        short = usage.cache_written - usage.cache_written_1h
        members["cache_creation"] = {
            "ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": usage.cache_written_1h,
        }  # fmt: skip
    if usage.reasoning:
        members["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return members
