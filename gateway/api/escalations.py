"""`/v1/escalations`: which conversations went to people; `POST /v1/escalations/{call_id}/reply`: what these answer.

All of it is for the admin token; a reply may be signed by the webhook's secret instead, as what the webhook was told.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from time import time
from typing import Any

import orjson

from gateway.api.admin import AdminEndpoint
from gateway.api.endpoint import Endpoint, caller_of, header, read_small, send_json
from gateway.api.query import read_query
from gateway.calls import Caller
from gateway.errors import CallerError, NotFound, Unauthenticated
from gateway.handover.escalation_view import ConversationView, EscalationView, ReplyView
from gateway.json_body import Document
from gateway.net.asgi import Receive, Scope, Send
from gateway.rollout import call_id as callid
from gateway.store.handover_seam import Handed, HumanReply, Place
from gateway.views import timestamp
from gateway.webhook.signature import SIGNATURE, TIMESTAMP, is_signed, may_be_signed

_MOST_OF_A_PAGE = 100
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9]{1,15})-(.*)", re.DOTALL)
_LONGEST_MESSAGE = 32_000
_LONGEST_ACTOR = 500
MOST_REPLY_BYTES = 512 * 1024  # of a reply's body: 32,500 characters of twelve bytes each, as JSON may escape them
_WRONG_SIGNATURE = "the signature is wrong or too old, or there is no 'escalation.secret' to check it by"


class AlreadyReplied(CallerError):
    """Somebody has replied to this conversation."""

    status = 409
    code = "already_replied"


class EscalationList(AdminEndpoint):
    """A page of the conversations of all agents, or of `?agent=`, newest first and without what was said in them."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = read_query(scope, ("agent", "limit", "before"))
        agent = query.get("agent")
        if agent is not None and self.services.table.entry(agent) is None:
            raise NotFound(f"there is no agent {agent!r}")
        agents, count = list(self.services.table) if agent is None else [agent], _limit(query)
        page = await self.services.store.escalations(agents, count, _before(query))
        more = {"next": _cursor(page[-1][0]) if len(page) == count else None}
        await send_json(send, {"escalations": [_summary(handed) for _, handed in page], **more})


class Escalation(AdminEndpoint):
    """A conversation that was handed over, by the id of the call, or of a later call of the same handover."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, _view(await _find(self, scope["path_params"]["call_id"])))


class EscalationReply(AdminEndpoint):
    """A person's reply. Later turns of a named conversation see it; the caller gets it by the call's id."""

    methods = ("GET", "POST")

    def authenticate(self, scope: Scope) -> Caller | None:
        """Check the admin token, or the header of a signature, whose body is checked later.

        Whoever asks for a reply shows a caller's key instead.
        """
        if scope["method"] != "POST":
            return Endpoint.authenticate(self, scope)
        if header(scope, SIGNATURE) is None:
            return super().authenticate(scope)
        secret = self.services.runtime.signing_secret
        if secret is None or not may_be_signed(header(scope, TIMESTAMP), header(scope, SIGNATURE), time()):
            raise Unauthenticated(_WRONG_SIGNATURE)
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._show(scope, send)
            return
        signed = header(scope, SIGNATURE) is not None
        body = await (self._read_and_verify(scope, receive) if signed else read_small(scope, receive, MOST_REPLY_BYTES))
        said, call_id = Document.parse(body).values, scope["path_params"]["call_id"]
        if signed and "call_id" not in said:  # else it could be sent again for another conversation
            raise CallerError("a signed reply names its conversation in 'call_id', too", param="call_id")
        if said.get("call_id", call_id) != call_id:
            raise CallerError("'call_id' names another conversation than the path", param="call_id")
        otherwise = "webhook" if signed else "admin"
        message, actor = _text(said, "message", _LONGEST_MESSAGE), said.get("actor", otherwise)
        actor = _text({"actor": actor}, "actor", _LONGEST_ACTOR)
        handed = await _find(self, call_id)
        reply = HumanReply(handed.event["call_id"], handed.event["conversation"], message, actor, time())
        if not await self.services.store.reply(handed.event["agent"], reply):
            raise AlreadyReplied("somebody has replied to this conversation; the first reply counts")
        self.services.log.info("replied", id=call_id, agent=handed.event["agent"], actor=actor)
        await send_json(send, _view(replace(handed, reply=reply, delivered_at=None)))

    async def _show(self, scope: Scope, send: Send) -> None:
        """The reply to a call, for the caller that made it and for nobody else."""
        call_id, caller = scope["path_params"]["call_id"], caller_of(scope)
        if callid.read(call_id, caller.name, self.services.runtime.fingerprint_key) is None:
            raise _unknown(call_id)
        handed = await _find(self, call_id)
        if not caller.may_call(handed.event["agent"]):
            raise _unknown(call_id)
        await send_json(send, {"call_id": call_id, "agent": handed.event["agent"], "reply": _reply(handed)})

    async def _read_and_verify(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a signed reply, apart from calls and from operators. Raises Unauthenticated, RequestTimeout."""
        body = await self.services.unproven.read(lambda: read_small(scope, receive, MOST_REPLY_BYTES))
        secret = self.services.runtime.signing_secret
        if secret is None or not is_signed(secret, header(scope, TIMESTAMP), header(scope, SIGNATURE), body, time()):
            raise Unauthenticated(_WRONG_SIGNATURE)
        return body


async def _find(endpoint: Endpoint, call_id: str) -> Handed:
    handed = await endpoint.services.store.escalation(list(endpoint.services.table), call_id)
    if handed is None:
        raise _unknown(call_id)
    return handed


def _unknown(call_id: str) -> NotFound:
    return NotFound(f"no conversation was handed over by the call {call_id!r}", code="unknown_escalation")


def _limit(query: Mapping[str, str]) -> int:
    """Return the number of conversations on the page."""
    text = query.get("limit", str(_MOST_OF_A_PAGE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST_OF_A_PAGE):
        raise CallerError(f"'limit' is a number from 1 to {_MOST_OF_A_PAGE}", param="limit")
    return int(text)


def _before(query: Mapping[str, str]) -> Place | None:
    """Return the end of the previous page; None for the first page."""
    if "before" not in query:
        return None
    match = _CURSOR.fullmatch(query["before"])
    if match is None:
        raise CallerError("'before' must be the 'next' of the previous page", param="before")
    return Place(int(match[1]), int(match[2]), match[3])


def _cursor(place: Place) -> str:
    return f"{place.entry}-{place.agent}"


def _summary(handed: Handed) -> EscalationView:
    return EscalationView(**_members(handed))


def _view(handed: Handed) -> ConversationView:
    event = handed.event
    left_out = int(event.get("messages_left_out", 0))
    return ConversationView(**_members(handed), messages=_parsed(event["messages"]), messages_left_out=left_out)


def _members(handed: Handed) -> dict[str, Any]:
    """The members of `EscalationView`."""
    event = handed.event
    return {
        **{name: event[name] for name in ("call_id", "agent", "version", "caller", "failure")},
        "request_id": event.get("request_id") or None,
        "at": timestamp(float(event["at"])),
        "reply": _reply(handed),
        "state": handed.state(time()),
        "accepted_at": None if handed.accepted_at is None else timestamp(handed.accepted_at),
        "calls": handed.calls,
    }


def _reply(handed: Handed) -> ReplyView | None:
    reply, delivered_at = handed.reply, handed.delivered_at
    if reply is None:
        return None
    seen = None if delivered_at is None else timestamp(delivered_at)
    return ReplyView(reply.message, reply.actor, timestamp(reply.at), seen)


def _parsed(messages: str) -> Any:
    """The conversation as JSON; as text where it holds what JSON in UTF-8 cannot, such as half a character."""
    try:
        return orjson.loads(messages)
    except orjson.JSONDecodeError:
        return messages


def _text(body: dict[str, Any], name: str, longest: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CallerError(f"{name!r} must be text", param=name)
    if len(value) > longest:
        raise CallerError(f"{name!r} is longer than {longest} characters", param=name)
    return value.encode(errors="backslashreplace").decode()
