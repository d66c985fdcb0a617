"""`POST /admin/agents/{agent}/{verb}`: what people do to a rollout, and `GET /audit/{agent}`: what was done.

Needs the admin token; without one configured the admin plane is off. `If-Match` names the epoch that the person saw,
so a person and the controller can never both win.
"""

import re
from collections.abc import Mapping

import orjson

from gateway.api.endpoint import Endpoint, header, read_small, send_json
from gateway.calls import Caller
from gateway.config.problems import quoted, unknown
from gateway.errors import CallerError, EpochConflict, Forbidden, NotFound, Unauthenticated
from gateway.formats.openai_chat.errors import error_body
from gateway.json_body import Document
from gateway.net.asgi import Receive, Scope, Send
from gateway.rollout.commands import NothingToDo
from gateway.rollout.status_view import AgentView
from policies.rollout.verbs import VERBS, Command

_LONGEST_TEXT = 500
_LATEST = 100
_MOST_BYTES = 64 * 1024  # of a body: a few texts of at most 500 characters
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%")
# What each command takes beside `actor` and `reason`.
_WITHOUT = "without_evaluation"
_MEMBERS = {"set-weight": "weight", "dismiss": "metric", "promote": "to", "approve": _WITHOUT, "retry": _WITHOUT}
_EPOCH = re.compile(rb'(?:W/)?"?([0-9]{1,18})"?')  # alone, or as the ETag it is


class AdminEndpoint(Endpoint):
    """An endpoint for the admin token alone, which takes no place: operators get in when the gateway is full."""

    def authenticate(self, scope: Scope) -> Caller | None:
        require_admin(self, scope)
        return None


class CommandEndpoint(AdminEndpoint):
    """Carry out a command for one agent; answer with the agent's new status, also where the command is refused."""

    methods = ("POST",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent, verb = scope["path_params"]["agent"], scope["path_params"]["verb"]
        if verb not in VERBS:
            raise NotFound(f"unknown verb {verb!r}; known: {', '.join(VERBS)}")
        if self.services.table.entry(agent) is None:
            raise NotFound(f"there is no agent {agent!r}")
        body = Document.parse(await read_small(scope, receive, _MOST_BYTES)).values
        command = _command(verb, body)
        try:
            await self.services.commands.act(agent, _epoch(scope), command)
        except (EpochConflict, NothingToDo) as error:
            refusal = orjson.loads(error_body(error))
            await send_json(send, {**refusal, "state": await self._state(agent)}, error.status)
            return
        await send_json(send, await self._state(agent))

    async def _state(self, agent: str) -> AgentView | None:
        return (await self.services.status.agents([agent])).get(agent)


class Audit(AdminEndpoint):
    """The latest audit events of one agent, or with `?all=true` the whole trail, newest first.

    `seen` are the latest events that this installation has seen, oldest first, as its own disk has them;
    `seen_before_start` says whether it had seen any before this start, `seen_in` where they lie.
    """

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = scope["path_params"]["agent"]
        if self.services.table.entry(agent) is None:
            raise NotFound(f"there is no agent {agent!r}")
        query = scope["query_string"]
        if query not in (b"", b"all=true", b"all=false"):
            raise CallerError("the only query of the audit is ?all=true", param="all")
        whole = query == b"all=true"
        memory = self.services.memory
        answer = {
            "agent": agent,
            "events": await (self._whole(agent) if whole else self.services.store.audit(agent, _LATEST)),
            "seen": [{"epoch": epoch, "hash": seal} for epoch, seal in memory.events(agent)],
            "seen_before_start": memory.knew(agent),
            "seen_in": None if memory.folder is None else str(memory.folder.resolve()),
        }
        await send_json(send, answer)

    async def _whole(self, agent: str) -> list[dict[str, object]]:
        return [event async for event in self.services.store.audit_all(agent)][::-1]


def require_admin(endpoint: Endpoint, scope: Scope) -> None:
    """Raise unless the request carries the admin token and comes from no web page of another origin."""
    doorkeeper = endpoint.services.runtime.doorkeeper
    if not doorkeeper.has_admin:
        raise Forbidden("the admin plane is off; set SERINUS_ADMIN_TOKEN or admin_token_sha256 to turn it on")
    if header(scope, b"origin") is not None:
        raise Forbidden("operator requests from web pages are refused")
    if not doorkeeper.is_admin(header(scope, b"authorization")):
        raise Unauthenticated(
            "missing or wrong admin token; send it as 'Authorization: Bearer <token>', or set SERINUS_ADMIN_TOKEN for "
            "a command"
        )


def _epoch(scope: Scope) -> int:
    match = _EPOCH.fullmatch((header(scope, b"if-match") or b"").strip())
    if match is None:
        raise CallerError("send the epoch that you saw on /status as 'If-Match: <epoch>'", param="If-Match")
    return int(match[1])


def _command(verb: str, body: dict[str, object]) -> Command:
    _check_members(verb, body)
    return Command(
        verb=verb,
        actor=required_text(body, "actor"),
        reason=required_text(body, "reason"),
        weight=_weight(required_text(body, "weight")) if verb == "set-weight" else None,
        metric=required_text(body, "metric") if verb == "dismiss" else None,
        to_end=body.get("to") == "end",
        without_evaluation=body.get(_WITHOUT) is True,
    )


def _check_members(verb: str, body: dict[str, object]) -> None:
    """Refuse what the command does not take: an operator who mistypes a name must not get another command."""
    known = ["actor", "reason", *([_MEMBERS[verb]] if verb in _MEMBERS else [])]
    for name in body:
        if name in known:
            continue
        owner = next((each for each, member in _MEMBERS.items() if member == name), None)
        if owner is not None:
            raise CallerError(f"{name!r} is for {owner}, not for {verb}; nothing was changed", param=name)
        raise CallerError(f"{unknown('member', name, known)}; nothing was changed", param=quoted(name))
    if body.get("to", "end") != "end":
        raise CallerError("the only value of 'to' is 'end': the last step; nothing was changed", param="to")
    if body.get(_WITHOUT, True) is not True:
        raise CallerError(f"the only value of {_WITHOUT!r} is true; nothing was changed", param=_WITHOUT)


def _weight(text: str) -> int:
    match = _PERCENT.fullmatch(text)
    if match is None or float(match[1]) > 100:
        raise CallerError("write 'weight' as a percentage between 0% and 100%, such as '25%'", param="weight")
    return round(float(match[1]) * 100)


def required_text(body: Mapping[str, object], name: str) -> str:
    """Return a text that the audit records, on one line. Raises CallerError."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CallerError(f"{name!r} is missing: the audit records it", param=name)
    if len(value) > _LONGEST_TEXT:
        raise CallerError(f"{name!r} is longer than {_LONGEST_TEXT} characters", param=name)
    return " ".join(value.encode(errors="backslashreplace").decode().split())
