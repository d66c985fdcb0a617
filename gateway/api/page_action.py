"""`POST /status/{agent}/act`: a form of the agent's page, sent by a person with the admin token.

The page's script sends the token as a header, from the page's memory. Without a script a browser asks for it and sends
it by itself from then on, so then it must say that the form is one of our own pages: no other page can act with it.
"""

from collections.abc import Mapping

from gateway.api.admin import required_text
from gateway.api.endpoint import named, send_json
from gateway.api.forms import read_form, require_own_page
from gateway.api.status import Status, bearer_of_basic
from gateway.api.status_page import send_page, wants_html
from gateway.call.streaming import send_answer
from gateway.calls import Caller
from gateway.errors import CallerError, Forbidden, NotFound, SerinusError, Unauthenticated
from gateway.net.asgi import Receive, Scope, Send
from gateway.pages.actions import LET_IN
from policies.rollout.verbs import Command

_TO_END = "promote-to-end"
_VERBS = frozenset({"abort", "approve", LET_IN, "pause", "promote", _TO_END, "resume", "retry"})


class PageAction(Status):
    """Carry out what a form of the page asks for; then the page again, with the reason where it was refused."""

    methods = ("POST",)
    is_page = False

    def authenticate(self, scope: Scope) -> Caller | None:
        """Check where the form came from, and the admin token. Raises Forbidden, Unauthenticated."""
        runtime, headers = self.services.runtime, named(scope)
        if not runtime.doorkeeper.has_admin:
            raise Forbidden("the admin plane is off; set SERINUS_ADMIN_TOKEN or admin_token_sha256 to turn it on")
        if runtime.guard is not None:
            runtime.guard.check(headers)
        require_own_page(headers)
        if not runtime.doorkeeper.is_admin(bearer_of_basic(headers.get(b"authorization"))):
            raise Unauthenticated("The admin token is missing or wrong; nothing was changed.")
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = scope["path_params"]["agent"]
        try:
            verb = await self._act(agent, await read_form(scope, receive))
        except SerinusError as error:
            if not wants_html(scope):
                raise
            await self._show_refusal(scope, send, agent, error)
            return
        if wants_html(scope):  # so that to reload the page sends nothing again
            await send_answer(send, 303, [(b"location", b"../" + _last_segment(scope))], b"")
        else:
            await send_json(send, {"done": f"Done: {verb.replace('-', ' ')}."})

    async def _act(self, agent: str, form: Mapping[str, str]) -> str:
        """Carry out the command and return its verb."""
        if self.services.table.entry(agent) is None:
            raise NotFound(f"there is no agent {agent!r}")
        verb, epoch = form.get("verb", ""), form.get("epoch", "")
        if verb not in _VERBS:
            raise CallerError("Choose what to do; nothing was changed.", param="verb")
        if form.get("sure") != "yes":
            raise CallerError("Confirm that you have looked at what this does; nothing was changed.", param="sure")
        if not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 18):
            raise CallerError("The form names no epoch; load the page anew.", param="epoch")
        actor, reason = required_text(form, "actor"), required_text(form, "reason")
        to_end, let_in = verb == _TO_END, verb == LET_IN
        known = "promote" if to_end else "approve" if let_in else verb
        command = Command(known, actor, reason, to_end=to_end, without_evaluation=let_in)
        await self.services.commands.act(agent, int(epoch), command)
        return verb

    async def _show_refusal(self, scope: Scope, send: Send, agent: str, error: SerinusError) -> None:
        page = await self.pages.agent(scope, agent, "", refusal=error.message, base="../")
        await send_page(send, page, error.status)


def _last_segment(scope: Scope) -> bytes:
    """Return the agent's name as it stands in the path, percent-encoded."""
    raw: bytes = scope["raw_path"]
    return raw.split(b"/")[-2]
