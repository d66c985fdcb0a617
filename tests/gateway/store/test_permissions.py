"""A user who has what `serinus check --redis-acl` prints can do all that the store needs, and nothing beyond."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from gateway.judging.verdict import JudgeVerdict
from gateway.store import Arm, Notice, RedisStore, Store, connect
from gateway.store.content_seam import ContentBounds, KeptContent
from gateway.store.handover_seam import HumanReply
from gateway.store.intervals import GuardrailValues
from gateway.store.permissions import OF_CLUSTERS, OF_CONNECTIONS, SENT, acl_line, allowed_commands
from gateway.store.review_seam import ReviewBounds, WaitingReview
from gateway.store.trace_seam import CallBounds, KeptCall, StreamCursor, ToolKey
from tests.architecture import ROOT
from tests.support.decisions import batch, beginning, failing
from tests.support.processes import command
from tests.support.redis_servers import ask_server, cluster_of, ports_of, tcp_server

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
OF_THE_CLIENT = {"pipeline", "pubsub", "execute", "aclose", "initialize"}
WORDS_OF_SCRIPTS = {"COUNT", "CREATE", "MAXLEN", "BUSYGROUP"}
ELSEWHERE = {"count_label", "audit_all", "turns", "aclose"}  # generators, keywords, and what sends nothing


async def everything(store: RedisStore) -> None:
    for name, arguments in OPERATIONS.items():
        await getattr(store, name)(*arguments)
    await store.count_label("a", "j", judge_passes=True, person_passes=False)
    assert [event["epoch_after"] async for event in store.audit_all("a")] == [1]


async def give(port: int) -> None:
    """Make the user, by the words that are printed."""
    words = acl_line().replace("PASSWORD", "pw").split()
    assert await ask_server(port, *words)


def test_every_operation_is_tried() -> None:
    """A new one must be added here, of whichever part of the seam."""
    seams = [seam for seam in Store.__mro__ if seam.__module__.startswith("gateway.")]
    names = {name for seam in seams for name in vars(seam) if not name.startswith("_")}
    assert names == {*OPERATIONS, *ELSEWHERE}


def test_every_command_that_is_sent_is_allowed() -> None:
    """And nothing is allowed that no line of the store sends and no script calls."""
    lines = "\n".join(path.read_text() for path in (ROOT / "gateway" / "store").glob("*.py"))
    called = set(re.findall(r"\b(?:pipe|_client|client|pubsub)\.([a-z]+)\(", lines))
    commands = {"del" if name == "delete" else name for name in called} - OF_THE_CLIENT
    assert commands == set(SENT) | {"subscribe", "ping"}
    assert len(allowed_commands()) == len(set(allowed_commands())) and not set(OF_CLUSTERS) & {*SENT, *OF_CONNECTIONS}


def test_every_command_of_a_script_is_allowed() -> None:
    """Also those that no operation of these tests comes to, and however a script writes its call."""
    scripts = "\n".join(path.read_text() for path in (ROOT / "gateway" / "store").glob("*.lua"))
    for name in re.findall(r"'([A-Z]{3,})'[,)]", scripts):
        assert name in {*WORDS_OF_SCRIPTS} or any(each.split("|")[0] == name.lower() for each in allowed_commands()), (
            name
        )


async def refusals(port: int) -> list[str]:
    """What the server's own log says that it refused."""
    return [str(each) for each in await ask_server(port, "ACL", "LOG")]


async def test_the_printed_user_can_do_everything(tmp_path: Path) -> None:
    """On one server, in another database than the first; the announcements are heard, too."""
    async with tcp_server(tmp_path) as port:
        await give(port)
        store = RedisStore(connect(f"redis://serinus:pw@127.0.0.1:{port}/1"), "replica")
        heard = store.turns()
        first = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0.5)
        await everything(store)
        assert await asyncio.wait_for(first, 10) == "a"
        await heard.aclose()
        await store.aclose()
        assert await refusals(port) == []


async def test_the_printed_user_can_do_everything_in_a_cluster(tmp_path: Path) -> None:
    """Where its client asks for the slots as well."""
    async with cluster_of(tmp_path) as (url, _):
        await give_all(url)
        store = RedisStore(connect(url.replace("://", "://serinus:pw@")), "replica")
        await everything(store)
        await store.aclose()
        for port in await ports_of(url):
            assert await refusals(port) == []


async def give_all(url: str) -> None:
    """On the node that the URL does not name, too."""
    for port in await ports_of(url):
        await give(port)


async def test_the_printed_user_can_do_nothing_else(tmp_path: Path) -> None:
    """Neither other keys, nor what rules a server."""
    async with tcp_server(tmp_path) as port:
        await give(port)
        client = connect(f"redis://serinus:pw@127.0.0.1:{port}/0")
        for words in (("GET", "other"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*words)
        await client.aclose()


async def test_check_prints_it() -> None:
    """Without a configuration, for that may come later."""
    done = await command("check", "--redis-acl", SERINUS_CONFIG="/nowhere")
    assert (done.code, done.out.strip()) == (0, acl_line())
