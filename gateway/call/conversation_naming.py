"""Names for a call's conversation, also by the agent's other calls and the provider's answers.

A call that continues what its provider holds (`previous_response_id`, Anthropic's message threads) belongs to the
answer that it names. A call without history whose opening many share is a conversation of its own, and its next turn is
known by the first answer. So such answers are listened to: their beginning alone, and no other's.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

from gateway.calls import Call
from gateway.conversation import answer_name, continued_answer, fingerprint_of, name_of, user_of
from gateway.errors import Headers
from gateway.formats.clients import opening_of
from gateway.formats.first_answers import first_answer_in, first_answer_of
from gateway.formats.registry import CLIENTS
from gateway.net.asgi import Message, Send
from gateway.rollout.openings import SharedOpenings
from gateway.rollout.table import Entry
from gateway.rollout.under_way import UnderWay
from routing.agents import Sticky
from routing.assignment import conversation_unit, is_alone
from routing.plan import Plan

_HEARD_BYTES = 32_768  # of an answer: its id, and its first words in some hundred events
_ANSWER_ID = re.compile(rb'"id"\s*:\s*"((?:resp|msg)[^"\\]{1,250})"')


class NotHeardYet(Exception):
    """Another replica may know the unit of the answer that a call continues, and this one has not heard of it."""

    def __init__(self, unit: str) -> None:
        super().__init__(unit)
        self.unit = unit


@dataclass(frozen=True, slots=True)
class ConversationNaming:
    """Conversation names that one replica knows."""

    under_way: UnderWay
    openings: SharedOpenings

    def name(self, call: Call, entry: Entry, may_wait: bool = False) -> str:
        """Return what names the call's conversation, '' for a call that is one by itself. Raises CallerError.

        Raises NotHeardYet where the call may wait for what other replicas know.
        """
        if name := name_of(call) or call.affinity_header:
            return name
        if name := continued_answer(call):
            unit = conversation_unit(call.caller.name, name)
            if may_wait and self.under_way.may_hear_of(unit, entry):
                raise NotHeardYet(unit)
            return name
        fingerprint = fingerprint_of(call, opening_of(call))
        if entry.agent.sticky.kind != "conversation" and _has_other_unit(call, entry.agent.sticky):
            return fingerprint
        answer = first_answer_in(call.document.values)
        if answer is None:
            if not self.openings.note(call.agent, fingerprint):
                return fingerprint
            self.under_way.mark(_shared_unit(call, fingerprint), entry)
            return ""
        if not self.under_way.knows(call.agent, _shared_unit(call, fingerprint)):
            return fingerprint
        continued = _continued(fingerprint, answer)
        is_known = self.under_way.knows(call.agent, conversation_unit(call.caller.name, continued))
        return continued if is_known else fingerprint

    def listener(self, call: Call, plan: Plan, entry: Entry, send: Send) -> "AnswerListener | None":
        """Return what listens to the answer on its way to `send`, where a later turn may have to be known by it."""
        if plan.reason != "split" or not (is_alone(plan.unit) or _is_kept_by_provider(call)):
            return None
        return AnswerListener(send, lambda heard, whole: self._expect(call, plan, entry, heard, whole))

    def _expect(self, call: Call, plan: Plan, entry: Entry, heard: bytes, is_whole: bool) -> None:
        """Let the next turn keep the version of this one. An answer's id comes first, and is told at once."""
        caller = call.caller.name
        if is_whole and is_alone(plan.unit) and call.operation == "generate":
            continued = _continued(fingerprint_of(call, opening_of(call)), first_answer_of(heard))
            self.under_way.expect(conversation_unit(caller, continued), plan, entry)
        if _is_kept_by_provider(call) and (found := _ANSWER_ID.search(heard)):
            self.under_way.expect(conversation_unit(caller, answer_name(found[1].decode("latin-1"))), plan, entry)


class AnswerListener:
    """A `send` that passes an answer on as it comes, and hears its beginning.

    What is heard is told before the last byte leaves: the next turn may come to another replica at once.
    """

    def __init__(self, send: Send, tell: Callable[[bytes, bool], None]) -> None:
        self._send = send
        self._tell = tell
        self._heard = bytearray()
        self._is_over = False

    @property
    def begun(self) -> bool:
        return self._send.begun

    def __call__(self, message: Message, /) -> Awaitable[None]:
        self.hear(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.end()
        return self._send(message)

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        return self._send.answer(status, headers, body)

    def part(self, body: bytes) -> bool:
        is_sent = self._send.part(body)
        if is_sent:
            self.hear(body)
        return is_sent

    def hear(self, piece: bytes) -> None:
        """Listen to a piece, as far as anything is to be heard; the first may hold the answer's id."""
        if len(self._heard) < _HEARD_BYTES:
            is_first = piece and not self._heard
            self._heard += piece[:_HEARD_BYTES]
            if is_first:
                self._tell(bytes(self._heard), False)

    def end(self) -> None:
        """Tell what was heard, once."""
        if not self._is_over:
            self._is_over = True
            self._tell(bytes(self._heard), True)


def _has_other_unit(call: Call, sticky: Sticky) -> bool:
    """Return whether the call's unit is not its conversation: it is a single call, or has the user or the header."""
    if sticky.kind == "header":
        return bool(call.facts_headers.get(sticky.header))
    return sticky.kind == "request" or bool(user_of(call.document))


def _shared_unit(call: Call, fingerprint: str) -> str:
    """Return the unit by which replicas tell one another that many calls share an opening."""
    return conversation_unit(call.caller.name, f"{fingerprint}\0shared")


def _continued(fingerprint: str, answer: str) -> str:
    """Return what names a conversation by its opening and its first answer."""
    text = f"{fingerprint}\0{answer}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).hexdigest()


def _is_kept_by_provider(call: Call) -> bool:
    """Return whether the provider keeps the answer, for a call that continues it."""
    keeps = CLIENTS[call.format].facts.keeps_answer
    return keeps is not None and keeps(call.document.values)
