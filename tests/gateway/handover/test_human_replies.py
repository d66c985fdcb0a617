"""A person's reply in the later turns of its conversation: where it stands in each format, and for how long."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from time import time
from typing import Any

import pytest
import pytest_asyncio

from gateway.calls import Call, Caller, FormatName
from gateway.conversation import conversation_key
from gateway.handover.human_replies import Replies, inserted
from gateway.json_body import Document
from gateway.store import RedisStore, connect
from gateway.store.handover_seam import HumanReply

SAID = "This is Kim. Your parcel is at the depot."


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def part(role: str, **member: Any) -> dict[str, Any]:
    return {"role": role, "parts": [member]}


CALL, RESULT = [{"type": "tool_use"}], [{"type": "tool_result"}]
FIRST = [user("hello"), assistant("A person takes over.")]
CASES: list[tuple[FormatName, str, Any, Any]] = [
    ("openai", "messages", [*FIRST, user("and?")], [*FIRST, assistant(SAID), user("and?")]),
    ("openai", "messages", [user("hello")], [assistant(SAID), user("hello")]),
    ("openai", "messages", [*FIRST, user("and?"), {"role": "tool"}],
     [*FIRST, assistant(SAID), user("and?"), {"role": "tool"}]),
    ("openai-responses", "input", [*FIRST, user("and?")], [*FIRST, assistant(SAID), user("and?")]),
    ("openai-responses", "input", "and?", [assistant(SAID), user("and?")]),
    ("anthropic", "messages", [*FIRST, user("and?")], [*FIRST, assistant(SAID), user("and?")]),
    ("anthropic", "messages", [*FIRST, user("and?"), assistant(CALL), user(RESULT)],
     [*FIRST, assistant(SAID), user("and?"), assistant(CALL), user(RESULT)]),
    ("anthropic", "messages", [user("hello")], None),
    ("gemini", "contents", [part("user", text="hello"), part("model", text="A person."), {"parts": [{"text": "and?"}]}],
     [part("user", text="hello"), part("model", text="A person."), part("model", text=SAID),
      {"parts": [{"text": "and?"}]}]),
    ("gemini", "contents",
     [part("user", text="hello"), part("model", functionCall={}), part("user", functionResponse={})], None),
]  # fmt: skip


@pytest.mark.parametrize(("client", "member", "turns", "wanted"), CASES)
def test_place(client: FormatName, member: str, turns: Any, wanted: Any) -> None:
    """Before the last question, and never between a tool's call and its result; nothing where it has no place."""
    document = Document.parse(json.dumps({"n": 1, member: turns}).encode())
    found = inserted(document, client, SAID)
    if wanted is None:
        assert found is None
    else:
        assert found is not None and found.values == {"n": 1, member: wanted} == json.loads(found.render({}))


def test_the_rest_stays_byte_for_byte() -> None:
    """Numbers and escapes of the other messages are as the client wrote them."""
    body = b'{"messages": [{"role":"user","content":"\\u00e9","n":1.0} , {"role":"user","content":"\xc3\xa9"}]}'
    found = inserted(Document.parse(body), "openai", "x")
    assert found is not None
    first, _, last = found.texts["messages"].partition(',{"role":"assistant","content":"x"},')
    assert (first, last) == ('[{"role":"user","content":"\\u00e9","n":1.0}', '{"role":"user","content":"é"}]')


@pytest.mark.parametrize(
    ("client", "member", "shown"),
    [
        ("openai", "messages", assistant(SAID)),
        ("openai", "messages", assistant([{"type": "text", "text": SAID}])),
        ("gemini", "contents", part("model", text=SAID)),
    ],
)
def test_client_that_shows_it_already(client: FormatName, member: str, shown: Any) -> None:
    """It got the reply by another way, and keeps it in the conversation: once is enough."""
    turns = [user("hello"), shown, {**user("and?"), "parts": [{"text": "and?"}]}]
    assert inserted(Document.parse(json.dumps({member: turns}).encode()), client, SAID) is None


@pytest.mark.parametrize("turns", [None, 7, [], ["x"], [assistant("x")], [{"role": ["user"]}]])
def test_no_question(turns: Any) -> None:
    """What is no conversation is left to whoever must refuse it."""
    assert inserted(Document.parse(json.dumps({"messages": turns}).encode()), "openai", SAID) is None


def call(
    agent: str, text: str = "hello", caller: str = "app", operation: Any = "generate", name: str = "chat-1"
) -> Call:
    body = json.dumps({"messages": [user(text), assistant("A person takes over."), user("and?")]}).encode()
    return Call("c-2", Caller(caller, "default"), agent, None, Document.parse(body), False, False, [], "", 0.0,
                format="openai", conversation_header=name, operation=operation)  # fmt: skip


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(connect(redis_url), "replica")
    yield store
    await store.aclose()


def reply(agent: str, message: str = SAID, call_id: str = "c-1", at: float = 0.0) -> HumanReply:
    return HumanReply(call_id, conversation_key("app", "chat-1"), message, "kim", at or time())


def said(seen: Call) -> list[str]:
    return [each["content"] for each in seen.document.values["messages"]]


async def test_every_replica_learns_it(store: RedisStore, agent: str) -> None:
    """The later turns of that conversation see it, again and again; the first that did is told of, once."""
    replicas = [Replies(store, [agent], time) for _ in range(2)]
    await store.escalate(agent, {"call_id": "c-1"})
    await store.reply(agent, reply(agent))
    for replies in replicas:
        await replies.follow()
        for _ in range(2):
            turn = call(agent)
            replies.put_into(turn)
            assert said(turn) == ["hello", "A person takes over.", SAID, "and?"]
        await replies.follow()
    handed = await store.escalation([agent], "c-1")
    assert handed is not None and handed.delivered_at == pytest.approx(time(), abs=10)


async def test_nobody_else_sees_it(store: RedisStore, agent: str) -> None:
    """Another conversation, one that the client does not name, another caller, another agent, and what is no chat."""
    replies = Replies(store, [agent], time)
    await store.reply(agent, reply(agent))
    await replies.follow()
    others = (
        call(agent, name="chat-2"), call(agent, name=""), call(agent, caller="x"), call(f"{agent}-b"),
        call(agent, operation="completions"), call(agent, caller="app\0chat", name="-1"),
    )  # fmt: skip
    for other in others:
        replies.put_into(other)
        assert SAID not in said(other)


async def test_the_latest_reply_holds(store: RedisStore, agent: str) -> None:
    """A conversation that was handed over twice has the second reply."""
    replies = Replies(store, [agent], time)
    for number in (1, 2):
        await store.reply(agent, reply(agent, f"reply {number}", f"c-{number}"))
        await replies.follow()
    replies.put_into(turn := call(agent))
    assert said(turn)[2:] == ["reply 2", "and?"] and len(replies.known) == 1


async def test_it_lapses(store: RedisStore, agent: str) -> None:
    """After a week nothing of it is left in memory, and none is put in before that is noticed."""
    now = [time()]
    replies = Replies(store, [agent], lambda: now[0])
    await store.reply(agent, reply(agent))
    await replies.follow()
    now[0] += 7 * 86_400 + 60
    replies.put_into(turn := call(agent))
    assert SAID not in said(turn) and replies.known
    await replies.follow()
    assert not replies.known


async def test_a_replica_that_comes_late(store: RedisStore, agent: str) -> None:
    """It learns all that is still to be seen at once, however much that is."""
    for number in range(250):
        await store.reply(agent, replace(reply(agent, call_id=f"c-{number}"), conversation=f"{number}"))
    replies = Replies(store, [agent], time)
    await replies.follow()
    assert len(replies.known) == 250


async def test_names_are_told_apart_to_their_end(store: RedisStore, agent: str) -> None:
    """However long: two conversations whose names begin alike are two."""
    replies, one, other = Replies(store, [agent], time), "n" * 600, "n" * 600 + "2"
    await store.reply(agent, replace(reply(agent), conversation=conversation_key("app", one)))
    await replies.follow()
    replies.put_into(turn := call(agent, name=other))
    assert SAID not in said(turn)
    replies.put_into(turn := call(agent, name=one))
    assert SAID in said(turn)


async def test_a_conversation_without_a_name_is_followed_by_nobody(store: RedisStore, agent: str) -> None:
    """The reply is kept under its call's id, and no replica holds it for later turns."""
    replies = Replies(store, [agent], time)
    await store.escalate(agent, {"call_id": "c-1"})
    assert await store.reply(agent, replace(reply(agent), conversation=""))
    await replies.follow()
    handed = await store.escalation([agent], "c-1")
    assert not replies.known and handed is not None and handed.reply is not None
