"""Names for a call's conversation, also by the agent's other calls and the provider's answers.

A call that continues what its provider holds (`previous_response_id`, `previous_interaction_id`, Anthropic's message
threads) belongs to the answer that it names. A client's id is the conversation, whatever the call says. A call without
one, whose beginning many share, is a conversation of its own, and its next turn is known by the answer that it got
(`equal_beginnings`). Such answers are listened to on their way, and no others.
"""

from dataclasses import dataclass, replace

from gateway.call.answer_listener import AnswerListener
from gateway.call.equal_beginnings import EqualBeginnings
from gateway.calls import Call
from gateway.conversation import answer_name, continued_answer, fingerprint_of, name_of, unit_named, user_of
from gateway.formats.answer_wordings import length_of
from gateway.formats.clients import opening_of
from gateway.formats.registry import CLIENTS
from gateway.net.asgi import Send
from gateway.rollout.table import Entry
from routing.agents import Sticky
from routing.assignment import is_alone
from routing.plan import Plan

_ID_BYTES = 32_768  # of an answer: its id stands among the first


class NotHeardYet(Exception):
    """Another replica may know the unit of the answer that a call continues, and this one has not heard of it."""

    def __init__(self, unit: str) -> None:
        super().__init__(unit)
        self.unit = unit


@dataclass(frozen=True, slots=True)
class ConversationNaming:
    """Conversation names that one replica knows."""

    beginnings: EqualBeginnings

    def name(self, call: Call, entry: Entry, may_wait: bool = False) -> str:
        """Return what names the call's conversation, '' for a call that is one by itself. Raises CallerError.

        Raises NotHeardYet where the call may wait for what other replicas know.
        """
        if name := name_of(call) or call.affinity_header:
            if entry.split.canary is not None:
                self._note_id(call, entry, name)
            return name
        if name := continued_answer(call):
            unit = unit_named(call, name)
            if may_wait and self.beginnings.under_way.may_hear_of(unit, entry):
                raise NotHeardYet(unit)
            return name
        fingerprint = fingerprint_of(call, opening_of(call))
        if entry.agent.sticky.kind != "conversation" and _has_other_unit(call, entry.agent.sticky):
            return fingerprint
        return self.beginnings.name(call, entry, fingerprint)

    def listener(self, call: Call, plan: Plan, entry: Entry, send: Send) -> AnswerListener | None:
        """Return what listens to the answer on its way to `send`, where a later turn may have to be known by it."""
        if plan.reason != "split":
            return None
        if call.history:
            self.beginnings.note_answered(call)
        if not (is_alone(plan.unit) or _is_kept_by_provider(call)):
            return None
        return AnswerListener(send, lambda head, tail: self._expect(call, plan, entry, head, tail))

    def _note_id(self, call: Call, entry: Entry, name: str) -> None:
        """Count a call with a client's id, for the status: one id for everybody is one conversation."""
        if entry.agent.sticky.kind != "conversation" and _has_other_unit(call, entry.agent.sticky):
            return
        values = call.document.values
        if "conversation" not in values and not continued_answer(call):
            self.beginnings.openings.note_id(call.agent, call.caller.name, name, length_of(values))

    def _expect(self, call: Call, plan: Plan, entry: Entry, head: bytes, tail: bytes | None) -> None:
        """Let the next turn keep the version of this one. An answer's id comes first, and is told at once."""
        if tail is not None and call.opening and is_alone(plan.unit):
            self.beginnings.expect(call, plan, entry, head, tail)
        if _is_kept_by_provider(call) and (answer := CLIENTS[call.format].facts.answer_id(head[:_ID_BYTES])):
            unit = unit_named(call, answer_name(answer))
            by_words = bool(plan.drawn and call.opening)  # several conversations may have gone on as one
            self.beginnings.under_way.expect(unit, replace(plan, held=True) if by_words else plan, entry)


def _has_other_unit(call: Call, sticky: Sticky) -> bool:
    """Return whether the call's unit is not its conversation: it is a single call, or has the user or the header."""
    if sticky.kind == "header":
        return bool(call.facts_headers.get(sticky.header))
    return sticky.kind == "request" or bool(user_of(call.document))


def _is_kept_by_provider(call: Call) -> bool:
    """Return whether the provider keeps the answer, for a call that continues it."""
    keeps = CLIENTS[call.format].facts.keeps_answer
    return keeps is not None and keeps(call.document.values)
