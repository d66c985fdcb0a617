"""Records of calls, as a conversation of some seconds has left them."""

from typing import Any

from gateway.tool_use import RequestedTool, ReturnedTool
from gateway.traces.record import AttemptRecord, CallRecord

T0 = 1_800_000_000.0


def made(key: str, at: float, seconds: float = 1.0, **more: Any) -> CallRecord:
    """Return the record of a call that began so many seconds after the first one."""
    attempts = (
        AttemptRecord("p/m", T0 + at, seconds, status=200, input_tokens=5, cost_nano_usd=1_000_000, is_answer=True),
    )
    usual: dict[str, Any] = {"end": "answered", "status": 200, "attempts": attempts, "reason": "split"}
    return CallRecord(
        key=key, id=f"id-{key}", caller="web", agent="a", version="v1", arm=None, format="openai", stream=False,
        began_at=T0 + at, seconds=seconds, ttft_seconds=None, conversation="k", conversation_id="chat",
        **(usual | more),
    )  # fmt: skip


def asks(*ids: str) -> dict[str, Any]:
    return {"requested": tuple(RequestedTool(each, f"tool-{each}") for each in ids)}


def brings(*ids: str, **more: Any) -> dict[str, Any]:
    return {"returned": tuple(ReturnedTool(each) for each in ids), **more}
