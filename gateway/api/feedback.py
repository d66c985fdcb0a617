"""`POST /v1/feedback`: how good an answer was, booked on the version that gave it.

Names a call by the `x-serinus-call-id` of its answer, or a conversation by the client's own id. The booking stands in
the call's id (`gateway.rollout.call_id`). The store remembers which calls were scored, so that each is scored once, and
which call answered a conversation last. Nothing is kept of an id that was made up.
"""

from typing import Any, NamedTuple

from gateway.api.endpoint import Endpoint, caller_of, read_small, send_json
from gateway.calls import Caller
from gateway.conversation import conversation_key
from gateway.errors import CallerError, Forbidden, NotFound
from gateway.json_body import Document
from gateway.net.asgi import Receive, Scope, Send
from gateway.rollout import call_id as callid
from gateway.rollout.bookings import UNANSWERED, find_booking, name_of_call, version_of, why_no_evidence
from gateway.rollout.call_id import Booking
from gateway.rollout.parties import caller_party
from gateway.rollout.table import Entry
from routing.models import MODELS

_LONGEST_COMMENT = 2000
_UNKNOWN_CALL = "unknown call; 'call_id' is the x-serinus-call-id of an answer to this caller"
_UNKNOWN_CONVERSATION = (
    "no call of this caller was answered in a conversation of that id within the last week; 'call_id' names any call"
)
_NO_AGENT = {
    "agent": None, "version": None, "arm": None, "counts": False,
    "why": "the call went to a plain model, apart from every agent and trial",
}  # fmt: skip
_MOST_BYTES = 64 * 1024  # of a body: the comment, escaped, and three short members


class AlreadyScored(CallerError):
    """The call or conversation already has a score."""

    status = 409
    code = "already_scored"


class _Scored(NamedTuple):
    """Subject of a score. `name` is what may be scored once."""

    entry: Entry
    booking: Booking
    call_id: str
    name: str


class Feedback(Endpoint):
    """A score, 0 (bad) to 1 (good)."""

    methods = ("POST",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        body = Document.parse(await read_small(scope, receive, _MOST_BYTES)).values
        score = _score(body.get("score"))
        _check_comment(body.get("comment"))
        if self._is_of_model(body.get("call_id"), caller):
            await send_json(send, _NO_AGENT)
            return
        entry, booking, call_id, name = await self._find(body, caller)
        version = version_of(entry, booking)
        answer: dict[str, object] = {"agent": entry.agent.name, "version": version, "arm": booking.arm}
        if not booking.answered:
            await send_json(send, {**answer, "counts": False, "why": UNANSWERED})
            return
        if not await self.services.store.first_feedback(entry.agent.name, name, f"{score:g}"):
            raise AlreadyScored("this call or conversation has a score; the first score counts")
        recorder = self.services.proxy.recorder
        recorder.score(entry, booking, version, score, caller_party(caller))
        self.services.reviews.queue.note_score(entry.agent.name, call_id)
        if recorder.tracing is not None:
            recorder.tracing.evaluate(entry.agent.name, call_id, score, body.get("comment") or "")
        why = why_no_evidence(entry, booking)
        answer["counts"] = why is None
        await send_json(send, answer if why is None else {**answer, "why": why})

    def _is_of_model(self, call_id: Any, caller: Caller) -> bool:
        """Return whether it is a call of this caller's that went straight to a plain model."""
        key = self.services.runtime.fingerprint_key
        booking = callid.read(call_id, caller.name, key) if isinstance(call_id, str) else None
        return booking is not None and booking.agent == callid.name_digest(MODELS)

    async def _find(self, body: dict[str, Any], caller: Caller) -> _Scored:
        """The agent, where to book, the call, and the name under which this may be scored once."""
        call_id, conversation = body.get("call_id"), body.get("conversation_id")
        if isinstance(call_id, str) == isinstance(conversation, str):
            raise CallerError("send either 'call_id' or 'conversation_id'", param="call_id")
        if not isinstance(call_id, str):
            return await self._by_conversation(str(conversation), body.get("agent"), caller)
        if (found := self._by_call(call_id, caller)) is None:
            raise NotFound(_UNKNOWN_CALL, code="unknown_call")
        return _Scored(*found, call_id, name_of_call(call_id))

    def _by_call(self, call_id: str, caller: Caller) -> tuple[Entry, Booking] | None:
        """The call of that id, if it is this caller's own."""
        return find_booking(self.services.table, self.services.runtime.fingerprint_key, call_id, caller)

    async def _by_conversation(self, conversation: str, agent: Any, caller: Caller) -> _Scored:
        """The call that answered last in what the caller calls that conversation."""
        names = [name for name in self.services.table if caller.may_call(name)]
        if agent is None and len(names) == 1:
            agent = names[0]
        entry = self.services.table.entry(agent) if isinstance(agent, str) else None
        if entry is None:
            raise CallerError("say in 'agent' which agent the conversation was with", param="agent")
        if not caller.may_call(entry.agent.name):
            raise Forbidden(f"this key may not call {entry.agent.name!r}", param="agent")
        key = conversation_key(caller.name, conversation)
        call_id = await self._last_call(entry.agent.name, caller, key)
        if call_id is None or (found := self._by_call(call_id, caller)) is None:
            raise NotFound(_UNKNOWN_CONVERSATION, code="unknown_conversation")
        name = f"conversation:{found[1].evidence}:{caller.name}:{key}"
        return _Scored(*found, call_id, name)

    async def _last_call(self, agent: str, caller: Caller, key: str) -> str | None:
        """Find the conversation's last call, in this replica's memory, then in the store. Raises StoreAway."""
        waiting = self.services.proxy.recorder.conversations.find(agent, (caller.name, key))
        return waiting or await self.services.store.last_call(agent, caller.name, key)


def _score(value: Any) -> float:
    if not isinstance(value, (bool, int, float)) or not 0 <= value <= 1:
        raise CallerError("'score' must be a number from 0 (bad) to 1 (good); thumbs are 0 and 1", param="score")
    return float(value)


def _check_comment(value: Any) -> None:
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_COMMENT):
        raise CallerError(f"'comment' must be text of at most {_LONGEST_COMMENT} characters", param="comment")
