"""`POST /v1/feedback`: how good an answer was, booked on the version that gave it.

Names a call by the `x-serinus-call-id` of its answer, or a conversation by the client's own id. The booking stands in
the call's id (`gateway.callid`); the store only remembers that a call was scored, so that it is scored once.
"""

from typing import Any

from starlette.types import Receive, Scope, Send

from gateway import callid
from gateway.api.services import Endpoint, caller_of, read_small, send_json
from gateway.callid import Booking
from gateway.calls import Caller
from gateway.document import Document
from gateway.errors import CallerError, Forbidden, NotFound
from gateway.recorder import arm_of, unit_id
from gateway.table import Entry
from routing.facts import Facts
from routing.plan import route

_LONGEST_COMMENT = 2000
_UNANSWERED = "no version answered this call: it ended in an error, or went to a person"
_MOST_BYTES = 64 * 1024  # of a body: the comment, escaped, and three short members


class AlreadyScored(CallerError):
    """This call or conversation has its score."""

    status = 409
    code = "already_scored"


class Feedback(Endpoint):
    """One score, 0 (bad) to 1 (good)."""

    methods = ("POST",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        body = Document.parse(await read_small(scope, receive, _MOST_BYTES)).values
        score = _score(body.get("score"))
        _check_comment(body.get("comment"))
        entry, booking, name = self._find(body, caller)
        version = _version(entry, booking)
        answer: dict[str, object] = {"agent": entry.agent.name, "version": version, "arm": booking.arm}
        if not booking.answered:
            await send_json(send, {**answer, "counts": False, "why": _UNANSWERED})
            return
        if not await self.services.controller.first_feedback(entry.agent.name, name):
            raise AlreadyScored("this was scored before; the first score counts")
        self.services.proxy.recorder.score(entry, booking, version, score)
        why = _no_evidence(entry, booking)
        answer["counts"] = why is None
        await send_json(send, answer if why is None else {**answer, "why": why})

    def _find(self, body: dict[str, Any], caller: Caller) -> tuple[Entry, Booking, str]:
        """The agent, where to book, and the name under which this may be scored once."""
        call_id, conversation = body.get("call_id"), body.get("conversation_id")
        if isinstance(call_id, str) == isinstance(conversation, str):
            raise CallerError("send either 'call_id' or 'conversation_id'", param="call_id")
        if isinstance(call_id, str):
            return self._by_call(call_id, caller)
        return self._by_conversation(str(conversation), body.get("agent"), caller)

    def _by_call(self, call_id: str, caller: Caller) -> tuple[Entry, Booking, str]:
        booking = callid.read(call_id, caller.name, self.services.runtime.fingerprint_key)
        entries = [self.services.table.entry(name) for name in self.services.table]
        entry = next((e for e in entries if e and booking and callid.name_digest(e.agent.name) == booking.agent), None)
        if booking is None or entry is None or not caller.may_call(entry.agent.name):
            raise NotFound(
                "unknown call; 'call_id' is the x-serinus-call-id of an answer to this caller", code="unknown_call"
            )
        return entry, booking, f"call:{call_id}"

    def _by_conversation(self, conversation: str, agent: Any, caller: Caller) -> tuple[Entry, Booking, str]:
        names = [name for name in self.services.table if caller.may_call(name)]
        if agent is None and len(names) == 1:
            agent = names[0]
        entry = self.services.table.entry(agent) if isinstance(agent, str) else None
        if entry is None:
            raise CallerError("say in 'agent' which agent the conversation was with", param="agent")
        if not caller.may_call(entry.agent.name):
            raise Forbidden(f"this key may not call {entry.agent.name!r}", param="agent")
        booking = _booking_of(entry, caller, conversation)
        return entry, booking, f"conversation:{booking.evidence}:{booking.unit}"


def _booking_of(entry: Entry, caller: Caller, conversation: str) -> Booking:
    """Where the calls of a conversation are booked now: by the same rules as they are."""
    facts = Facts(caller.name, caller.group, user="", conversation=conversation, request="")
    plan, state = route(entry.agent, entry.split, facts), entry.state
    return Booking(
        agent=callid.name_digest(entry.agent.name),
        version=callid.name_digest(plan.version.name),
        arm=arm_of(plan, entry),
        apart=plan.reason != "split",
        rollout=state.rollout if state else 0,
        evidence=state.evidence if state else 0,
        unit=unit_id(plan.unit),
    )


def _version(entry: Entry, booking: Booking) -> str:
    names = entry.agent.versions
    found = next((name for name in names if callid.name_digest(name) == booking.version), None)
    if found is None:
        raise NotFound("the version that served this call is no longer configured", code="unknown_version")
    return found


def _no_evidence(entry: Entry, booking: Booking) -> str | None:
    """Why the score goes to the version's quality alone and judges no canary; None where it does."""
    if booking.arm is None:
        return "the call was on no trial: nothing was tried, or a pin or a rule chose the version"
    if entry.state is None or entry.state.evidence != booking.evidence:
        return "late: the step in which the call was served is over"
    return None


def _score(value: Any) -> float:
    if not isinstance(value, (bool, int, float)) or not 0 <= value <= 1:
        raise CallerError("'score' must be a number from 0 (bad) to 1 (good); thumbs are 0 and 1", param="score")
    return float(value)


def _check_comment(value: Any) -> None:
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_COMMENT):
        raise CallerError(f"'comment' must be text of at most {_LONGEST_COMMENT} characters", param="comment")
