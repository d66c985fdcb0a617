"""Status views of a canary that was rolled back, to be changed one member at a time."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from gateway.history.view import DecisionView, Quantiles, TokenSums
from gateway.rollout.status_view import (
    AgentView,
    ApartSums,
    CallSums,
    ConfigView,
    CountsView,
    FindingView,
    GatewayView,
    ShadowQueueView,
    StatusView,
    StepView,
    StoreView,
    VersionView,
)  # fmt: skip
from policies.rollout.state import VersionRef

_SECONDS = Quantiles(p50=0.123456, p90=1.5, p99=None)
_SUMS: dict[str, Any] = {
    "requests": 12345, "errors": 7, "unjudged": 0, "censored": 0, "held": 0, "rejected": 43,
    "error_rate": 0.000567,
    "fallbacks": 1, "escalations": 0, "hedges": 2, "hedges_won": 0, "latency_seconds": _SECONDS,
    "ttft_seconds": _SECONDS, "tokens": TokenSums(0, 0, 0, 0), "cost_usd": 1.25, "cost_per_request_usd": None,
    "unpriced": 0, "behaviours": {},
}  # fmt: skip
FINDING = FindingView(
    text="error_rate <= 20%", metric="error_rate", verdict="breached", e_value=1234567.8, e_value_of_all=1234567.8,
    evidence=1234567.8, threshold=1e4, share=0.0, unit="share", relative=False, limit=0.2, stable=None, canary=0.5,
    ratio=None, stable_counts=None, canary_counts=CountsView(20.0, 40),
)  # fmt: skip
DECISION = DecisionView("2026-01-01T00:00:00.000Z", "controller", "roll_back", "it failed", None)


def call_sums(**members: Any) -> CallSums:
    """Some thousand calls."""
    return CallSums(**{**_SUMS, **members})


def version_view(**members: Any) -> VersionView:
    """The same, of a version without copies of calls."""
    return VersionView(**{**_SUMS, "quality": 0.875, "apart": ApartSums(0, 0), "shadow": None, **members})


def agent_view(**members: Any) -> AgentView:
    """An agent whose canary was taken out in the first of two steps."""
    shown = AgentView(
        phase="rolled_back", epoch=2, step=1, weight=0.05, pinned=False, approved=False, dismissed=(),
        steps=(StepView(0.05, None, 0, False), StepView(0.5, None, 0, False)), reason="it failed",
        changed_at="2026-01-01T00:00:00.000Z", stable=VersionRef("v1", "d" * 64), canary=VersionRef("v2", "e" * 64),
        e_value=1234567.8, threshold=100.0, guardrails=(FINDING,), signals=(), outlook=None, waits_for=(),
        shadow=None, versions={"v1": version_view()}, last_decision=DECISION, read_at=None, unpriced=(), openings=None,
        retirements=(),
        excluded=None,
    )  # fmt: skip
    return replace(shown, **members)


def status_view(agent: AgentView | None = None, name: str = "support", **gateway: Any) -> StatusView:
    """The status of one agent; `gateway` says what differs in the gateway's part."""
    shown = GatewayView(
        version="1.0", replica="abc", config=ConfigView("f" * 64, "then", None), store=StoreView("redis", True, None),
        circuits={}, shadows=ShadowQueueView(0, {}),
    )  # fmt: skip
    return StatusView("now", replace(shown, **gateway), {name: agent or agent_view()})


def with_every_text(value: Any, text: str) -> Any:
    """The same tree with every text in it, keys too, replaced."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: with_every_text(getattr(value, field.name), text) for field in fields(value)}
        return replace(value, **changed)
    if isinstance(value, dict):
        return {with_every_text(key, text): with_every_text(item, text) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(with_every_text(item, text) for item in value)
    return text if isinstance(value, str) else value
