"""Worlds of behaviours: answers, requests and conversations that misbehave on both arms alike, or on the canary."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from bench.calibration.climates import WELL, alone, always, between, in_turn, limited_when_busy
from bench.calibration.provider import CANARY, LOOP, NAME, SPARE, TOOL, Moment, Said, Weather
from bench.calibration.scenario import STEADY_RPS, Scenario, bad
from policies.guardrails.grammar import DEFAULT_GUARDRAILS

FALLBACK: Mapping[str, Any] = {"fallback": [f"{NAME}/{SPARE}"]}
_SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
_FORMAT = {"type": "json_schema", "json_schema": {"name": "order", "schema": _SCHEMA}}
_DESK: Mapping[str, Any] = {"escalation": {"desk": True}}
# Long enough for conversations whose time is over: forty minutes, 600 conversations. That takes half a minute of work.
_TALK: Mapping[str, Any] = {
    "turns": 6, "pause": 15.0, "named": True, "rps": 1.5, "weight": "50%", "calls": 1800, "runs": 60,
}  # fmt: skip


def _watching(metric: str, **more: Any) -> Mapping[str, Any]:
    """Return the default guardrails, and one on that metric."""
    return {"guardrails": [*DEFAULT_GUARDRAILS, f"{metric} <= stable * 1.5"], **more}


def _wants_json(_text: str, _chance: random.Random, _turn: int) -> Mapping[str, Any]:
    """Return a request that asks for JSON of a schema."""
    return {"response_format": _FORMAT}


def _brings_results(text: str, chance: random.Random, turn: int) -> Mapping[str, Any]:
    """Return a request that brings a tool's result from the second turn on; the tool fails now and then."""
    return _with_results(text, [chance.random() < 0.1] if turn else [])


def _repeats_itself(text: str, _chance: random.Random, _turn: int) -> Mapping[str, Any]:
    """Return a request in whose history a tool was called twice with the same arguments."""
    return _with_results(text, [False, False])


def _with_results(text: str, failed: Sequence[bool]) -> Mapping[str, Any]:
    said: list[Any] = [{"role": "user", "content": text}]
    for number, is_error in enumerate(failed):
        call = {"id": f"call_{number}", "type": "function", "function": {"name": LOOP, "arguments": "{}"}}
        content = "Error: gone" if is_error else "found"
        said += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{number}", "content": content},
        ]
    return {"messages": said, "tools": [TOOL]}


def _off_schema_and_limited(moment: Moment) -> Weather:
    """Peaks in which answers slip, and the account's limit meets the busier model alone."""
    return limited_when_busy(moment).but(slip="off_schema", slips=0.2 if moment.now // 5 % 2 else 0.02)


def _limited_for_minutes(moment: Moment) -> Weather:
    """Five minutes in ten in which the account's limit meets a fifth of stable's calls."""
    return WELL.but(limited=0.2 if moment.now // 300 % 2 and moment.model != CANARY else 0.0)


def _in_loops(chance: random.Random, _: int) -> Said:
    """Conversations some of which make the model repeat itself, in half of their calls or in all."""
    return Said(slips=chance.choice((0.0, 0.0, 0.0, 0.0, 0.02, 0.02, 0.5, 1.0)))


BLAMELESS: Sequence[Scenario] = (
    Scenario(
        "off_schema answers on both arms", always(slips=0.05, slip="off_schema"), asks=_wants_json, rps=STEADY_RPS
    ),
    Scenario(
        "off_schema answers and 429 for the busier arm", _off_schema_and_limited, asks=_wants_json, routing=FALLBACK
    ),
    Scenario(
        "refusals on both arms", always(slips=0.05, slip="refusals"), routing=_watching("refusals"), rps=STEADY_RPS
    ),
    Scenario(
        "refusals in peaks", in_turn(4, slips=0.6, slip="refusals"), weight="50%", routing=_watching("refusals")
    ),
    Scenario(
        "tool_loops on both arms", always(slips=0.05, slip="tool_loops"), asks=_repeats_itself,
        routing=_watching("tool_loops"), rps=STEADY_RPS,
    ),
    Scenario(
        "tool_loops in long conversations, in clusters", always(slip="tool_loops"), words=_in_loops, turns=20,
        pause=0.3, seconds=0.2, named=True, calls=800, asks=_repeats_itself,
        routing=_watching("tool_loops"),
    ),
    Scenario(
        "tool_errors on both arms", turns=5, named=True, asks=_brings_results, routing=_watching("tool_errors"),
        rps=STEADY_RPS,
    ),
    Scenario(
        "tool_errors, provider flaps", in_turn(4, errors=0.95), weight="50%", turns=5, named=True, seconds=0.05,
        asks=_brings_results, routing=_watching("tool_errors"),
    ),
    Scenario(
        "handovers on both arms", always(errors=0.05), gateway=_DESK,
        routing=_watching("handovers", fallback=["human"]), rps=STEADY_RPS,
    ),
    Scenario(
        "handovers, 429 for the busier arm", limited_when_busy, gateway=_DESK,
        routing=_watching("handovers", fallback=["human"]),
    ),
    Scenario("turns of conversations", routing=_watching("turns"), **_TALK),
    Scenario(
        "turns, clients give up in an outage", between(300, 900, errors=0.3), gives_up=True, routing=_watching("turns"),
        **_TALK,
    ),
    Scenario(
        "turns, clients give up, 429 for stable", _limited_for_minutes, gives_up=True, routing=_watching("turns"),
        **_TALK,
    ),
    Scenario(
        "turns, the canary is four times as fast", alone(slow=0.25), seconds=20.0, routing=_watching("turns"), **_TALK
    ),
)  # fmt: skip

DETECTED: Sequence[Scenario] = (
    bad("off_schema 0 % → 100 %", alone(slips=1.0, slip="off_schema"), 20, asks=_wants_json),
    bad("refusals 0 % → 100 %", alone(slips=1.0, slip="refusals"), 20, routing=_watching("refusals")),
    bad(
        "tool_loops 0 % → 100 %", alone(slips=1.0, slip="tool_loops"), 30, asks=_repeats_itself,
        routing=_watching("tool_loops"),
    ),
    bad(
        "conversations of 2 calls → 8", always(), None, lengthens={"v2": 4.0},
        routing={"guardrails": ["turns <= stable * 1.5"]}, **{**_TALK, "turns": 2, "runs": 20},
    ),
)  # fmt: skip
