"""Whole stories of conversations that went to people: handed over, answered, and taken up again by the agent."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from gateway.replica.replica import Seams
from gateway.timings import Timings
from gateway.webhook.signature import is_signed, signed
from tests.support.calling import Place, eventually, failing
from tests.support.canaries import WEBHOOK_SECRET
from tests.support.listening import listening
from tests.support.receivers import Receiver
from tests.support.running import ADMIN_TOKEN

Serve = Callable[..., Awaitable[Place]]
TOKEN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
SECRET = WEBHOOK_SECRET.encode()
SAID = "This is Kim. Your parcel is at the depot."
QUESTION: dict[str, Any] = {"role": "user", "content": "where is my parcel?"}
NAMED = {"x-conversation-id": "c-1"}
AGAIN: dict[str, Any] = {"role": "user", "content": "thanks; may I fetch it?"}


@dataclass(slots=True)
class Desk:
    """Where people work: it takes what the webhook is told, if the signature holds."""

    url: str = ""
    told: list[Any] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        body = await reader.readexactly(int(fields["content-length"]))
        timestamp, signature = (fields[f"x-serinus-{name}"].encode() for name in ("timestamp", "signature"))
        if is_signed(SECRET, timestamp, signature, body, time()):
            self.told.append(json.loads(body))
        writer.write(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n")


@asynccontextmanager
async def at_work() -> AsyncIterator[Desk]:
    desk = Desk()
    async with listening(desk.serve) as port:
        desk.url = f"http://127.0.0.1:{port}/desk"
        yield desk


QUICK = Seams(timings=Timings(replies=0.02))


async def handed_over(here: Place, **ask: Any) -> tuple[str, str]:
    """A first turn that no model could answer: the call's id, and what the client was told."""
    here.standin.behave("good", failing("status", status=500))
    answer = await here.chat(messages=[QUESTION], **ask)
    assert answer.headers["x-serinus-escalated"] == "human"
    here.standin.behave("good", ModelBehaviour())
    return answer.headers["x-serinus-call-id"], answer.json()["choices"][0]["message"]["content"]


async def view(here: Place, call_id: str) -> Any:
    return (await here.http.get(f"{here.base_url}/escalations/{call_id}", headers=TOKEN)).json()


async def stored(here: Place, call_id: str) -> None:
    """Wait until the store has the conversation."""
    async with asyncio.timeout(5):
        while "error" in await view(here, call_id):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def reply(here: Place, call_id: str, known: bool = True) -> None:
    """By the token, once the store has the conversation; then wait until the replica knows of it, if it is to."""
    await stored(here, call_id)
    path = f"{here.base_url}/escalations/{call_id}/reply"
    assert (await here.http.post(path, json={"message": SAID, "actor": "kim"}, headers=TOKEN)).status_code == 200
    if known:
        await eventually(lambda: bool(here.running.gateway.services.proxy.replies.known))


async def test_from_the_chain_to_a_person_and_back(serve: Serve) -> None:
    """The chain fails, a desk is told, a person answers with a signature, and the next turn's model knows of it."""
    async with at_work() as desk:
        escalation = {"webhook": desk.url, "allow_private_webhook": True, "secret": "${PROVIDER_KEY}"}
        here = await serve(
            seams=QUICK,
            provider_key=SECRET.decode(),
            gateway={"escalation": escalation},
            routing={"fallback": ["human"]},
        )
        call_id, told = await handed_over(here, headers=NAMED)
        await eventually(lambda: bool(desk.told))
    assert desk.told[0]["call_id"] == call_id and desk.told[0]["messages"] == [QUESTION]

    body = json.dumps({"message": SAID, "actor": "kim", "call_id": call_id}).encode()
    signature = {name.decode(): value.decode() for name, value in signed(SECRET, body, time())}
    answer = await here.http.post(f"{here.base_url}/escalations/{call_id}/reply", content=body, headers=signature)
    assert answer.status_code == 200 and answer.json()["reply"]["delivered_at"] is None
    await eventually(lambda: bool(here.running.gateway.services.proxy.replies.known))

    turns = [QUESTION, {"role": "assistant", "content": told}, AGAIN]
    assert (await here.chat(messages=turns, headers=NAMED)).status_code == 200
    assert here.received_json()["messages"] == [*turns[:2], {"role": "assistant", "content": SAID}, AGAIN]

    reply = await reply_seen(here, call_id)
    assert (reply["message"], reply["actor"]) == (SAID, "kim")


async def reply_seen(here: Place, call_id: str) -> Any:
    """Return the reply, once the store has heard that a turn has seen it."""
    async with asyncio.timeout(5):
        while not (reply := (await view(here, call_id))["reply"])["delivered_at"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return reply


async def trace(here: Place, path: str) -> Any:
    await here.running.gateway.traces.write(1_000)
    return (await here.http.get(f"{here.running.url}{path}", headers=TOKEN)).json()


async def test_the_handover_in_the_conversations_tree(serve: Serve) -> None:
    """Two turns that nobody could answer are one handover; the tree, the call and the pages say what became of it."""
    receiver = Receiver()
    async with listening(receiver.serve) as port:
        hook = {"webhook": f"http://127.0.0.1:{port}/desk", "allow_private_webhook": True}
        here = await serve(seams=QUICK, gateway={"escalation": hook}, routing={"fallback": ["human"]})
        first, _ = await handed_over(here, headers=NAMED)
        second, _ = await handed_over(here, headers=NAMED)
        await eventually(lambda: len(receiver.keys) == 2)
    assert [(each["type"], each["escalation_id"]) for each in receiver.bodies] == [
        ("escalation.opened", first), ("escalation.message", first),
    ]  # fmt: skip
    await reply(here, second)
    await here.chat(messages=[QUESTION, AGAIN], headers=NAMED)
    await reply_seen(here, first)
    tree = await trace(here, "/conversations/c-1")
    handovers = [step["call"]["handover"] for step in tree["steps"] if step["kind"] == "call"]
    opened, joined = handovers[:2]
    assert opened == {**joined, "joined": False} and joined["joined"] and handovers[2] is None
    assert (opened["escalation_id"], opened["state"], opened["actor"], opened["calls"]) == (first, "replied", "kim", 2)
    assert opened["at"] <= opened["accepted_at"] <= opened["replied_at"] <= opened["seen_at"]
    assert (await trace(here, f"/calls/{second}"))["handover"] == joined
    for path in (f"/calls/{first}", "/conversations/c-1"):
        page = await here.http.get(f"{here.running.url}{path}", headers={**TOKEN, "accept": "text/html"})
        assert "kim replied after" in page.text and "the webhook took it after" in page.text


async def test_other_conversations_know_nothing_of_it(serve: Serve) -> None:
    """Neither one that the client does not name, nor one that it says is another, though all began alike."""
    here = await serve(seams=QUICK, routing={"fallback": ["human"]})
    call_id, _ = await handed_over(here, headers=NAMED)
    await reply(here, call_id)
    others = [([QUESTION, AGAIN], {}), ([QUESTION, AGAIN], {"x-conversation-id": "another"})]
    for turns, headers in others:
        await here.chat(messages=turns, headers=headers)
        assert here.received_json()["messages"] == turns
    assert (await view(here, call_id))["reply"]["delivered_at"] is None


async def test_two_users_who_begin_alike(serve: Serve) -> None:
    """Without a name nothing tells their chats apart: neither sees a reply, which its caller gets by the call's id."""
    keys = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("app", "other")}
    here = await serve(seams=QUICK, gateway={"keys": keys}, routing={"fallback": ["human"]})
    app, other = [{"authorization": f"Bearer {name}"} for name in keys]
    call_id, _ = await handed_over(here, headers=app)
    await reply(here, call_id, known=False)
    await here.running.gateway.services.proxy.replies.follow()
    await here.chat(messages=[QUESTION, AGAIN], headers=app)
    assert here.received_json()["messages"] == [QUESTION, AGAIN]
    url = f"{here.base_url}/escalations/{call_id}/reply"
    assert (await here.http.get(url, headers=app)).json()["reply"]["message"] == SAID
    assert [(await here.http.get(url, headers=headers)).status_code for headers in (other, {})] == [404, 401]


async def test_a_conversation_by_its_own_id(serve: Serve) -> None:
    """A client that names its conversation may send only what is new."""
    here = await serve(seams=QUICK, routing={"fallback": ["human"]})
    own = {"x-conversation-id": "c-77"}
    call_id, _ = await handed_over(here, headers=own)
    await reply(here, call_id)
    await here.chat(messages=[AGAIN], headers=own)
    assert here.received_json()["messages"] == [{"role": "assistant", "content": SAID}, AGAIN]


async def test_an_id_that_two_clients_chose(serve: Serve) -> None:
    """Two callers send one `x-request-id`: each conversation keeps an id of its own, and nobody answers the other."""
    keys = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("victim", "attacker")}
    here = await serve(seams=QUICK, gateway={"keys": keys}, routing={"fallback": ["human"]})
    ids = {}
    for name in keys:
        headers = {"authorization": f"Bearer {name}", "x-request-id": "the-same"}
        ids[name], _ = await handed_over(here, headers=headers)
    for name, call_id in ids.items():
        await stored(here, call_id)
        assert (found := await view(here, call_id))["caller"] == name and found["request_id"] == "the-same"
    assert "error" in await view(here, "the-same")


MESSAGES = [QUESTION, {"role": "assistant", "content": "A person takes over."}, AGAIN]
CONTENTS = [{"role": "model" if each["role"] == "assistant" else "user", "parts": [{"text": each["content"]}]}
            for each in MESSAGES]  # fmt: skip


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": MESSAGES}),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 100}),
        ("/v1beta/models/{agent}:generateContent", {"contents": CONTENTS}),
    ],
)
async def test_every_client_format(serve: Serve, api: str, path: str, body: dict[str, Any]) -> None:
    """Whatever the client speaks, and whatever the provider: the model sees the reply just before the question."""
    here = await serve(seams=QUICK, api=api, routing={"fallback": ["human"]})
    url = here.running.url + path.format(agent=here.agent)
    body = {"model": here.agent, **body} if "{" not in path else body
    here.standin.behave("good", failing("status", status=500))
    answer = await here.http.post(url, json=body, headers=NAMED)
    assert answer.headers["x-serinus-escalated"] == "human", answer.text
    here.standin.behave("good", ModelBehaviour())
    await reply(here, answer.headers["x-serinus-call-id"])
    answer = await here.http.post(url, json=body, headers=NAMED)
    assert answer.status_code == 200, answer.text
    sent = json.dumps(here.received_json()["messages"])
    assert sent.index("A person takes over") < sent.index(SAID) < sent.index(AGAIN["content"])
