"""`POST /admin/conversations/{conversation}/forget`: a conversation's recorded texts are deleted before their time.

For somebody who asks that their data go. Records of calls stay until they end: they hold no texts.
"""

from collections.abc import Mapping

from gateway.api.admin import require_admin, required_text
from gateway.api.endpoint import read_small, send_json
from gateway.api.traces import TraceEndpoint
from gateway.calls import Caller
from gateway.contents.forgotten_view import ForgottenView
from gateway.errors import CallerError, NotFound
from gateway.json_body import Document
from gateway.net.asgi import Receive, Scope, Send
from gateway.traces.record import CallRecord
from gateway.traces.threads import key_by_name, may_be_key

_MOST_BYTES = 64 * 1024  # of a body: two texts of at most 500 characters
_MEMBERS = ("actor", "reason")


class ContentForgotten(TraceEndpoint):
    """Deletion of the texts of a conversation: of its own id, of the client's name for it, or of one of its calls."""

    is_page = False
    methods = ("POST",)

    def authenticate(self, scope: Scope) -> Caller | None:
        """Check the admin token: a caller's key deletes nothing."""
        require_admin(self, scope)
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Document.parse(await read_small(scope, receive, _MOST_BYTES)).values
        if unknown := [name for name in body if name not in _MEMBERS]:
            raise CallerError(f"unknown member {unknown[0]!r}; known: {', '.join(_MEMBERS)}", param=unknown[0])
        actor, reason = required_text(body, "actor"), required_text(body, "reason")
        name = scope["path_params"]["conversation"]
        agents, key = self.agents(scope), await self._key_of(scope, name)
        records = (await self.services.traces.records(agents, [key])).get(key, [])
        count = await self.services.traces.contents.forget(key, records, agents)
        if not records and not count:
            raise NotFound(f"no conversation {name!r} is kept", code="unknown_conversation")
        self.services.log.warning("contents_forgotten", conversation=key, calls=count, actor=actor, reason=reason)
        await send_json(send, ForgottenView(key, count))

    async def _key_of(self, scope: Scope, name: str) -> str:
        """Return the key of a conversation. Raises CallerError for a name that several callers have given."""
        if (call := await self.find_call(scope, name)) is not None:
            return call.conversation
        await self.services.traces.catch_up()
        named = {key_by_name(caller, name): caller for caller in self.callers(scope)}
        found: Mapping[str, list[CallRecord]] = await self.services.traces.records(
            self.agents(scope), [*([name] if may_be_key(name) else ()), *named]
        )
        if name in found or not found:
            return name
        if len(found) > 1:
            keys = ", ".join(f"{key} of {named[key]}" for key in found)
            raise CallerError(f"several callers have a conversation {name!r}: say which one by its id: {keys}")
        return next(iter(found))
