"""The pages of `/status` for one reader, from what may be read and what was asked for."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from gateway.api.endpoint import Services, caller_of, header
from gateway.api.page_history import PageHistory
from gateway.api.status_reading import StatusReading
from gateway.auth import OPEN
from gateway.call.streaming import send_answer
from gateway.calls import Caller
from gateway.errors import NotFound
from gateway.net.asgi import Scope, Send

if TYPE_CHECKING:  # loaded with the first page that somebody opens
    from gateway.pages.actions import ActionForms
    from gateway.pages.frame import LivePage
    from gateway.pages.overview import Rows

_POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
HTML = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_LONGEST_FILTER = 100


def wants_html(scope: Scope) -> bool:
    """Return whether a browser asks."""
    return b"text/html" in (header(scope, b"accept") or b"")


async def send_page(send: Send, page: "LivePage", status: int = 200) -> None:
    """Answer with a page."""
    from gateway.pages.frame import document

    await send_answer(send, status, HTML, document(page))


class StatusPages:
    """The maker of the page that a request asks for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reading = StatusReading(services)
        self._history = PageHistory(services.store)
        self._rows: Rows | None = None

    async def page(self, scope: Scope, name: str | None) -> "LivePage":
        """Return the overview, or the page of the agent of that name. Raises NotFound."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if name is None:
            return await self._overview(scope, query)
        return await self.agent(scope, name, query.get("range", ""))

    async def _overview(self, scope: Scope, query: dict[str, str]) -> "LivePage":
        from gateway.pages.overview import Rows, Selection, overview

        view = await self._reading.overview(caller_of(scope))
        selection = Selection(query.get("filter", "")[:_LONGEST_FILTER], "trouble" in query)
        host = (header(scope, b"host") or b"").decode("latin-1")
        if self._rows is None:
            self._rows = Rows()
        return overview(view, selection, host, self._rows)

    async def agent(self, scope: Scope, name: str, span: str, *, refusal: str = "", base: str = "") -> "LivePage":
        """Return the page of one agent. Raises NotFound.

        `refusal` says why the last action was not carried out, `base` leads from the page's address to `/status/`.
        """
        from gateway.pages.agent_page import RANGES, AgentReading, agent_page

        reader = caller_of(scope)
        entry = self._services.table.entry(name)
        if entry is None or not reader.may_call(name):
            raise NotFound(f"there is no agent {name!r}")
        view = await self._reading.of_agents([name], reader)
        if name not in view.agents:
            raise NotFound(f"there is no agent {name!r}")
        if span in RANGES:
            past = await self._history.of(name, span)
        else:
            span, past = await self._history.usual(name)
        reading = AgentReading(
            entry.agent,
            _is_trusted(reader),
            past,
            span,
            self._forms(f"{base}{quote(name, safe='')}/act", refusal),
            base,
        )
        return agent_page(view, name, reading)

    def _forms(self, address: str, refusal: str) -> "ActionForms | None":
        """Return the forms to act with; None where the admin plane is off."""
        from gateway.pages.actions import ActionForms

        if not self._services.runtime.doorkeeper.has_admin:
            return None
        return ActionForms(address, refusal)


def _is_trusted(reader: Caller) -> bool:
    """Return whether the reader may see prompts: an operator, or anyone on an open gateway of this machine."""
    return reader is OPEN
