"""The words and addresses that pages of calls and conversations share."""

from urllib.parse import quote

from gateway.pages.html import Markup, joined, tag
from gateway.rollout.status_words import usd
from gateway.traces.view import AttemptView, CallTokens, CallView


def call_anchor(top: str, call_id: str) -> Markup:
    """Return a link to a call, by the end of its id. `top` leads from the page's address to that of `/status`."""
    return tag("a", f"…{call_id[-8:]}", href=f"{top}calls/{quote(call_id, safe='')}", title=call_id)


def conversation_anchor(top: str, conversation: str, name: str | None) -> Markup:
    """Return a link to a conversation, by the client's name for it where the reader may see that."""
    return tag("a", name or conversation, href=f"{top}conversations/{quote(conversation, safe='')}")


def agent_anchor(top: str, agent: str) -> Markup:
    """Return a link to an agent's page."""
    return tag("a", agent, href=f"{top}status/{quote(agent, safe='')}")


def tokens(counted: CallTokens) -> str:
    """Return tokens in and out: `310 → 46`; a mark says that no provider has told them."""
    return f"{counted.input:,} → {counted.output:,}{' (estimated)' if counted.estimated else ''}"


def cost(amount: float | None, unpriced: int = 0) -> str:
    """Return what was paid; '–' where nothing has a price."""
    if amount is None or (not amount and unpriced):
        return "–"
    return usd(amount) + (" and more" if unpriced else "")


def ended(call: CallView) -> str:
    """Return how a call ended, in words."""
    answering = next((attempt.target for attempt in call.attempts if attempt.answered), None)
    if call.end == "answered" and answering is not None:
        return f"answered by {answering}"
    return {"answered": "answered", "escalated": "handed over to people", "client_gone": "the client left"}.get(
        call.end, call.end.replace("_", " ")
    )


def attempt_words(attempt: AttemptView) -> Markup:
    """Return an attempt's target, what made it, and what became of it."""
    kind = "" if attempt.kind == "first" else f" ({attempt.kind})"
    failed = f" {attempt.failure.replace('_', ' ')}" if attempt.failure else ""
    status = f" {attempt.status}" if attempt.failure and attempt.status else ""
    return joined((attempt.target, kind, tag("b", f"{failed}{status}") if failed else ""))


def attempt_kind(attempt: AttemptView) -> str:
    """Return the class of an attempt's colour."""
    return "hurt" if attempt.failure else "canary" if attempt.kind in ("fallback", "hedge") else "stable"
