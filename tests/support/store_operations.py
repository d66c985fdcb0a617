"""Every operation of the store, with arguments that let it be carried out."""

from typing import Any

from gateway.judging.verdict import JudgeVerdict
from gateway.store import Arm, Notice, RedisStore
from gateway.store.content_seam import ContentBounds, KeptContent
from gateway.store.handover_seam import HumanReply
from gateway.store.intervals import GuardrailValues
from gateway.store.review_seam import ReviewBounds, WaitingReview
from gateway.store.trace_seam import CallBounds, KeptCall, StreamCursor, ToolKey
from tests.support.decisions import batch, beginning, failing

VERDICT = JudgeVerdict("v", "t", "a", "v1", "canary", 0.5, True, "fine", "j", 5, 1.0)
OPERATIONS: dict[str, tuple[Any, ...]] = {
    "commit": ("a", beginning(), "config"),
    "read": ("a",),
    "snapshot": ("a",),
    "epochs": (["a"],),
    "flush": ("a", 1, batch(stable=Arm(3), canary=failing("x", "y", requests=4))),
    "history": ("a", 0.0, 60.0, 60),
    "note_evidence": ("a", {"error_rate <= 20%": GuardrailValues(1.0, None, 0.5, 0.2)}),
    "costs": ("a", 0, 30_000),
    "failure_reasons": ("a", 1),
    "audit": ("a", 3),
    "claim_notices": (["a"], 0, 5),
    "pending_notices": (["a"],),
    "mark_delivered": (Notice("a", "1-1", "a:1", {}),),
    "load_receivers": ("a", "a:1"),
    "add_receiver": ("a", "a:1", "r"),
    "first_feedback": ("a", "call"),
    "remember": ("a", {("app", "k"): "c"}),
    "last_call": ("a", "app", "k"),
    "lease": ("a", 1.0),
    "spend": ("a", "2026-01-01", 5),
    "escalate": ("a", {"call_id": "c", "at": "1.500", "messages": "[]", "conversation": "conversation"}, 1 << 20, 9.0),
    "hold_deliveries": ("a", ["c"], 0.0),
    "take_deliveries": (["a"], 1, 9.0),
    "settle_delivery": ("a", "c"),
    "escalations": (["a"], 3),
    "escalation": (["a"], "c"),
    "handovers": ("a", ["c"]),
    "reply": ("a", HumanReply("c", "conversation", "hello", "kim", 1.0)),
    "replies": ({"a": ""}, 1.0),
    "mark_reply_delivered": ("a", "c", 1.0),
    "mark_escalation_accepted": ("a", "c", 1.0),
    "share_key": (b"0123456789abcdef" * 2,),
    "tell": (["a"], 0.0),
    "read_messages": ("0-0", False),
    "has_message": ("0-0",),
    "keep_items": ({"name": "text"}, 60),
    "find_items": (["name"],),
    "keep_calls": ("a", [KeptCall("k", "t", ["j"], ["l"], True, "", "")], CallBounds(bytes=1)),
    "find_calls": ("a", ["k"]),
    "find_threads": (["a"], ["t"]),
    "find_joined": (["a"], ["j"]),
    "keep_asked": ({ToolKey("a", "0" * 16): "text"},),
    "take_asked": ([ToolKey("a", "0" * 16)],),
    "latest_calls": ([StreamCursor("a", 0)], 3),
    "keep_contents": ("a", [KeptContent("k", "t", "text")], ContentBounds(1, 60)),
    "find_contents": ("a", ["k"]),
    "forget_contents": ("a", ["k"], ["t"]),
    "feedback_marks": ("a", ["call"]),
    "add_reviews": ("a", [WaitingReview("k", "c", "v1", "", "app", "t", ("sample",), 9e9)], ReviewBounds(60)),
    "count_reviews": (["a"],),
    "waiting_reviews": ("a",),
    "review_labels": ("a",),
    "lease_reviews": ("a", "l", 60.0),
    "find_lease": ("a", "l"),
    "label_reviews": ("a", "l", {"k": ("good", "")}, "admin", 60.0),
    "release_reviews": ("a", "l", 1.0),
    "undo_labels": ("a", "l", 60.0),
    "claim_labels": ("a",),
    "settle_labels": ("a", {"k": "yes"}),
    "forget_reviews": ("a", ["k"], ["t"]),
    "note_key_uses": ({"ab12": 1.0},),
    "key_uses": (),
    "grant": (
        ("key", "a", "requests", "1h"),
        {
            "limit": 9,
            "lease": 1,
            "seconds": 60,
            "slice": 1,
            "ask": 1,
            "wants": [1],
            "back": {},
            "charge": 0,
            "number": 1,
            "again": {},
        },
    ),
    "claim_verdict": ("a", ["v"], 60),
    "release_claim": ("a", ["v"]),
    "keep_verdict": ("v", VERDICT, 1),
    "keep_undecided": ("a", "w", "j", "v1", 1),
    "find_verdicts": ("a", ["v"]),
    "were_judged": ("a", ["v"]),
    "reserve_for_judge": ("a", "2026-01-01", 5, 10),
    "settle_for_judge": ("a", "2026-01-01", -1),
    "judge_sums": ("a", "j", 1, "2026-01-01"),
    "agreement": ("a", "j"),
    "settle_alerts": ([("one", "said")], 60.0, 60.0),
    "risks": (),
    "ping": (),
    "probe": ("a",),
}
ELSEWHERE = {"count_label", "audit_all", "turns", "aclose"}  # generators, keywords, and what sends nothing


async def everything(store: RedisStore) -> None:
    for name, arguments in OPERATIONS.items():
        await getattr(store, name)(*arguments)
    await store.count_label("a", "j", judge_passes=True, person_passes=False)
    assert [event["epoch_after"] async for event in store.audit_all("a")] == [1]
