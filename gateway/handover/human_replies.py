"""Replies of people to handed-over conversations, put into the later turns of these conversations.

Calls never wait for the store: every replica follows the replies in the background and looks for them in memory. A
reply goes in as the assistant's word before the last question, in whatever format the client speaks; a client that
shows it already, word for word, gets nothing twice. Only a conversation that the client names gets one: two end users
of one caller may begin with the same words (decision 28).
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from gateway.calls import Call, FormatName
from gateway.conversation import conversation_key, name_of
from gateway.errors import StoreAway
from gateway.formats.registry import CLIENTS
from gateway.json_body import Document, array, elements, encode
from gateway.store.handover_seam import FOLLOWED_SECONDS, HumanReply
from gateway.store.seam import Store
from gateway.timings import USUAL

_MOST_KNOWN = 100_000  # conversations, over all agents
_MOST_UNDELIVERED = 10_000


class Replies:
    """The replies that one replica knows. `known` is by agent and conversation, empty while there are none.

    `agents` are those that are served, read anew with each look; `unix` tells the time in Unix seconds.
    """

    def __init__(
        self, store: Store, agents: Iterable[str], unix: Callable[[], float], poll_seconds: float = USUAL.replies
    ) -> None:
        self.known: OrderedDict[tuple[str, str], HumanReply] = OrderedDict()
        self._store = store
        self._agents = agents
        self._unix = unix
        self._poll_seconds = poll_seconds
        self._seen: dict[str, str] = {}
        self._delivered: set[str] = set()
        self._undelivered: deque[tuple[str, str, float]] = deque(maxlen=_MOST_UNDELIVERED)

    def put_into(self, call: Call) -> None:
        """Let the call see the reply to its conversation, if there is one. Never waits."""
        if call.operation != "generate":
            return
        name = name_of(call)
        reply = self.known.get((call.agent, conversation_key(call.caller.name, name))) if name else None
        if reply is None or self._unix() - reply.at > FOLLOWED_SECONDS:
            return
        document = inserted(call.document, call.format, reply.message)
        if document is None:
            return
        call.document = document
        if reply.call_id not in self._delivered:
            self._delivered.add(reply.call_id)
            self._undelivered.append((call.agent, reply.call_id, self._unix()))

    async def follow_for_ever(self) -> None:
        """Learn new replies about once a second, and say which were seen, until cancelled."""
        while True:
            with suppress(StoreAway):  # what is missed is still there when it is back
                await self.follow()
            await asyncio.sleep(self._poll_seconds)

    async def follow(self) -> None:
        """Learn what has been replied since, and tell the store which replies a turn has seen. Raises StoreAway."""
        now = self._unix()
        while found := await self._store.replies({agent: self._seen.get(agent, "") for agent in self._agents}, now):
            for agent, replies in found.items():  # a portion of them
                for place, reply in replies:
                    self._learn(agent, reply)
                    self._seen[agent] = place
        self._forget(now)
        while self._undelivered:
            await self._store.mark_reply_delivered(*self._undelivered[0])
            self._undelivered.popleft()

    def _learn(self, agent: str, reply: HumanReply) -> None:
        if not reply.conversation:
            return
        key = (agent, reply.conversation)
        if older := self.known.pop(key, None):  # so that the latest reply stands last
            self._delivered.discard(older.call_id)
        self.known[key] = reply

    def _forget(self, now: float) -> None:
        """Replies beyond their time, or beyond the room for them: the oldest first."""
        while self.known:
            key, reply = next(iter(self.known.items()))
            if len(self.known) <= _MOST_KNOWN and now - reply.at <= FOLLOWED_SECONDS:
                return
            del self.known[key]
            self._delivered.discard(reply.call_id)


def inserted(document: Document, client: FormatName, text: str) -> Document | None:
    """The request with that assistant's message before its last question; None where it has no place, or is there."""
    shape = CLIENTS[client].facts.conversation
    items, texts = _turns(document, shape.member)
    questions = [index for index, item in enumerate(items) if isinstance(item, dict) and shape.is_question(item)]
    if not questions or (questions[-1] == 0 and not shape.may_lead) or text in _strings(items):
        return None
    message, place = shape.message(text), questions[-1]
    values = {**document.values, shape.member: [*items[:place], message, *items[place:]]}
    member = array([*texts[:place], encode(message), *texts[place:]])
    return Document(values, {**document.texts, shape.member: member})


def _turns(document: Document, member: str) -> tuple[list[Any], list[str]]:
    """The items of the conversation and their source texts; a bare text is one question."""
    value, text = document.values.get(member), document.texts.get(member, "")
    if isinstance(value, str):
        return [{"role": "user", "content": value}], [f'{{"role":"user","content":{text}}}']
    return (value, elements(text)) if isinstance(value, list) else ([], [])


def _strings(items: list[Any]) -> Iterator[str]:
    """Every text of a few levels: contents, and the parts that these are made of."""
    for item in items:
        parts = (item.get("content"), item.get("parts")) if isinstance(item, dict) else ()
        for part in parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, list):
                yield from (
                    each["text"] for each in part if isinstance(each, dict) and isinstance(each.get("text"), str)
                )
