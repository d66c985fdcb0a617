"""Conversations that begin alike: calls that share an opening, or a history that nobody here has begun.

A template, a cron job or a prompt with examples is one beginning for all of its calls. Such a call is a conversation of
its own, and its next turn is known by the answer that it got. A conversation that began at a replica is never one of
these, however often it is repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from zlib import crc32

from gateway.calls import Call
from gateway.conversation import unit_named
from gateway.formats.answer_wordings import (
    AnswerWording,
    answers_in,
    end_of,
    has_answer,
    is_prefilled,
    length_of,
    text_in,
    without_speaker,
    wording_in,
    wording_of,
)
from gateway.rollout.openings import SHARED_FROM, SharedOpenings
from gateway.rollout.table import Entry
from gateway.rollout.under_way import UnderWay
from gateway.rollout.weighing import unit_id
from routing.plan import Plan

_MOST_ANSWERS = 16  # of a history are looked at: a template has few examples


@dataclass(frozen=True, slots=True)
class EqualBeginnings:
    """Beginnings that many calls share, as one replica knows them."""

    under_way: UnderWay
    openings: SharedOpenings

    def name(self, call: Call, entry: Entry, name: str) -> str:
        """Return what names the call's conversation: `name`, its opening in hex digits, unless it is shared.

        Returns '' for a call that is a conversation of its own, and a name by the answer that such a call got.
        """
        call.opening, shared = name, name[:16]  # an id by which replicas tell one another that it is shared
        if not has_answer(call.document.values):
            seen = self.openings.note(call.agent, name)
            if seen == 1 or (seen < SHARED_FROM and not self.under_way.knows_id(call.agent, shared)):
                return name  # another replica may know that it is shared: it is asked from the second call on
            self.under_way.mark(shared, entry)
            return ""
        if not self.under_way.knows_id(call.agent, shared):
            if self.under_way.knows(call.agent, unit_named(call, name)):
                return name
            self.under_way.mark(shared, entry)
        answers = answers_in(call.document.values)
        return self._continued(call, entry, answers) or self._of_history(call, entry, answers, name)

    def note_answered(self, call: Call) -> None:
        """Count a history that was answered: a client that tries again for want of an answer is no template."""
        self.openings.note_history(call.agent, call.history)

    def expect(self, call: Call, plan: Plan, entry: Entry, head: bytes, tail: bytes) -> None:
        """Let the conversation of a call by itself keep its version, however its client repeats the answer."""
        if not call.history:
            self._expect(call, plan, entry, 0, head, tail, "")
            return
        answers = answers_in(call.document.values)
        self._expect(call, plan, entry, len(answers), head, tail, "")
        if is_prefilled(call.document.values):
            self._expect(call, plan, entry, len(answers) - 1, head, tail, text_in(answers[-1]))

    def _expect(
        self, call: Call, plan: Plan, entry: Entry, place: int, head: bytes, tail: bytes, prefilled: str
    ) -> None:
        wording = wording_of(head, tail, prefilled)
        exact = [unit_id(unit_named(call, _named(call.opening, place, key))) for key in wording.exact()]
        if exact and self.under_way.knows_id(call.agent, exact[0]):
            return  # and so all else is known
        keys = wording._replace(end=end_of(head, tail, prefilled)).loose()
        loose = [_mark(call.opening, f"{place}{plan.version.digest}{key}") for key in keys]
        self.under_way.expect_ids([*exact, *loose], plan, entry)
        self.under_way.mark(_place(call.opening, place), entry)

    def _of_history(self, call: Call, entry: Entry, answers: list[Mapping[str, Any]], name: str) -> str:
        """Return the name of a call whose history goes on from no answer that is known here."""
        last, length = wording_in(answers[-1]), length_of(call.document.values)
        call.history = _mark(call.opening, f"{length}\0{last.call_id}\0{last.start}")
        is_shared = self.openings.is_shared(call.agent, call.history)
        if not is_shared and not self.under_way.knows_id(call.agent, call.history):
            return name
        self.under_way.mark(call.history, entry)
        return ""

    def _continued(self, call: Call, entry: Entry, answers: list[Mapping[str, Any]]) -> str:
        """Return the name by the answer from which the history goes on, '' where none is known."""
        for place, answer in enumerate(answers[:_MOST_ANSWERS]):
            if self.under_way.knows_id(call.agent, _place(call.opening, place)) and (
                found := self._repeated(call, entry, place, wording_in(answer))
            ):
                return found
        return ""

    def _repeated(self, call: Call, entry: Entry, place: int, wording: AnswerWording) -> str:
        """Return the name by an answer as its client repeats it, '' where no version gave it, or more than one."""
        wordings = [wording, *([spoken] if (spoken := without_speaker(wording)) else ())]
        names = [_named(call.opening, place, key) for each in wordings for key in each.exact()]
        for name in names:
            if self.under_way.knows(call.agent, unit_named(call, name)):
                return name
        for key in (key for each in wordings for key in each.loose()):
            marks = [_mark(call.opening, f"{place}{digest}{key}") for digest in entry.split.kept]
            known = [mark for mark in marks if self.under_way.knows_id(call.agent, mark)]
            if len(known) == 1:
                # From now on it is known exactly: the next answers may have in common what is left of it.
                self.under_way.join(call.agent, unit_named(call, names[0]), known[0])
                return names[0]
        return ""


def _place(opening: str, place: int) -> str:
    """Return the id by which they tell one another that the answer of that place is expected again."""
    return f"{opening[:12]}{place:04x}"


def _mark(opening: str, what: str) -> str:
    """Return an id of something else about an opening, which has no more than some thousand of these."""
    return f"{opening[:8]}{crc32(what.encode('utf-8', 'surrogatepass')):08x}"


def _named(opening: str, place: int, key: str) -> str:
    """Return what names a conversation by its opening and one of its answers."""
    text = f"{opening}\0{place}\0{key}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
