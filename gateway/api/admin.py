"""`POST /admin/agents/{agent}/{verb}`: what people do to a rollout, and `GET /audit/{agent}`: what was done.

Needs the admin token; without one configured the admin plane is off. `If-Match` names the epoch that the person saw,
so a person and the controller can never both win.
"""

from starlette.types import Receive, Scope, Send

from gateway.api.services import Endpoint, header, read_body, send_json
from gateway.document import Document
from gateway.errors import CallerError, Forbidden, NotFound, Unauthenticated

VERBS = ("retry",)
_LONGEST_TEXT = 500


class Verb(Endpoint):
    """One verb on one agent; answers with the agent's new status."""

    methods = ("POST",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        require_admin(self, scope)
        agent, verb = scope["path_params"]["agent"], scope["path_params"]["verb"]
        if verb not in VERBS:
            raise NotFound(f"unknown verb {verb!r}; known: {', '.join(VERBS)}")
        if self.services.table.entry(agent) is None:
            raise NotFound(f"there is no agent {agent!r}")
        body = Document.parse(await read_body(receive)).values
        actor, reason = _text(body, "actor"), _text(body, "reason")
        await self.services.controller.retry(agent, _epoch(scope), actor, reason)
        await send_json(send, await self.services.status.agent(agent))


class Audit(Endpoint):
    """The latest audit events of one agent, newest first."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        require_admin(self, scope)
        agent = scope["path_params"]["agent"]
        if self.services.table.entry(agent) is None:
            raise NotFound(f"there is no agent {agent!r}")
        await send_json(send, {"agent": agent, "events": await self.services.controller.audit(agent, 100)})


def require_admin(endpoint: Endpoint, scope: Scope) -> None:
    """Raise unless the request carries the admin token and comes from no web page of another origin."""
    doorkeeper = endpoint.services.runtime.doorkeeper
    if not doorkeeper.has_admin:
        raise Forbidden("the admin plane is off; set SERINUS_ADMIN_TOKEN or admin_token_sha256 to turn it on")
    if header(scope, b"origin") is not None:
        raise Forbidden("admin requests are not taken from web pages")
    if not doorkeeper.is_admin(header(scope, b"authorization")):
        raise Unauthenticated("missing or wrong admin token; send it as 'Authorization: Bearer <token>'")


def _epoch(scope: Scope) -> int:
    text = (header(scope, b"if-match") or b"").decode("latin-1").strip().strip('"')
    if not text.isdecimal():
        raise CallerError("send the epoch that you saw on /status as 'If-Match: <epoch>'", param="If-Match")
    return int(text)


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CallerError(f"{name!r} is missing: it goes on record", param=name)
    return value.strip()[:_LONGEST_TEXT]
