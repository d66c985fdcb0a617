"""The pages on which calls and conversations are found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

from gateway.pages.call_page import call_chip
from gateway.pages.frame import LivePage, chip
from gateway.pages.html import NOTHING, Markup, tag
from gateway.pages.moments import moment
from gateway.pages.trace_words import agent_anchor, call_anchor, conversation_anchor, cost, ended, tokens
from gateway.rollout.status_words import duration
from gateway.traces.view import CallList, CallView, ConversationList, ConversationSummary

_FIELDS = {"agent": "Agent", "version": "Version", "min_cost": "Costs at least ($)", "since": "Since (such as 1h)"}


def calls_page(found: CallList, asked: Mapping[str, str]) -> LivePage:
    """Return the page of calls; `asked` is what the query asked for."""
    columns = ("", "call", "when", "agent", "took", "tokens", "cost", "outcome", "conversation")
    return _page("Calls", "calls", columns, map(_call, found.calls), found.next, asked)


def conversations_page(found: ConversationList, asked: Mapping[str, str]) -> LivePage:
    """Return the page of conversations."""
    columns = ("", "conversation", "when", "agent", "calls", "tools", "took", "tokens", "cost")
    return _page("Conversations", "conversations", columns, map(_talk, found.conversations), found.next, asked)


def _page(
    name: str, path: str, columns: Sequence[str], rows: Iterable[Markup], more: str | None, asked: Mapping[str, str]
) -> LivePage:
    head = tag("tr", *(tag("th", column, scope="col") if column else tag("td") for column in columns))
    body = list(rows)
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="found")
    listed = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=name)
    nothing = tag("p", "Nothing was found. Calls are kept for a week, as far as they fit.", class_="empty")
    query = urlencode({**{key: value for key, value in asked.items() if key != "before"}, "before": more or ""})
    anchor = tag("p", tag("a", "Earlier ones", href=f"{path}?{query}")) if more else NOTHING
    parts = (tag("h1", name), _form(asked), listed if body else nothing, anchor)
    return LivePage(
        name=name, title=name, level="quiet", top="", events=None, parts=parts, live={}, crumbs=(("Serinus", "status"),)
    )  # fmt: skip


def _form(asked: Mapping[str, str]) -> Markup:
    fields = (
        tag("label", f"{label} ", tag("input", name=name, value=asked.get(name, ""), size=12), for_=None)
        for name, label in _FIELDS.items()
    )
    is_chosen = asked.get("unanswered", "") in ("true", "1")
    box = tag("input", type="checkbox", name="unanswered", value="true", checked=is_chosen)
    unanswered = tag("label", box, " only unanswered")
    return tag("form", *fields, unanswered, tag("button", "Find"), method="get", role="search", class_="filter")


def _call(call: CallView) -> Markup:
    cells: tuple[str | Markup, ...] = (
        call_chip(call), call_anchor("", call.id), moment(call.at),
        _served(call.agent, call.version, call.arm), duration(call.seconds), tokens(call.tokens),
        cost(call.cost_usd, call.unpriced), ended(call),
        conversation_anchor("", call.conversation, call.conversation_name),
    )  # fmt: skip
    return _row(cells)


def _talk(summary: ConversationSummary) -> Markup:
    level, word = ("hurt", f"{summary.unanswered} unanswered") if summary.unanswered else ("fine", "ok")
    served = summary.versions[0] if summary.versions else None
    cells: tuple[str | Markup, ...] = (
        chip("hurt" if level == "hurt" else "fine", word), conversation_anchor("", summary.id, summary.name),
        moment(summary.at), _served(served.agent, served.version, served.arm) if served else "–",
        str(summary.calls), str(summary.tools), duration(summary.seconds), tokens(summary.tokens),
        cost(summary.cost_usd, summary.unpriced),
    )  # fmt: skip
    return _row(cells)


def _served(agent: str, version: str, arm: str | None) -> Markup:
    return tag("span", agent_anchor("", agent), f" {version}", f" ({arm})" if arm else "")


def _row(cells: Iterable[str]) -> Markup:
    return tag("tr", *_tds(cells))


def _tds(cells: Iterable[str]) -> Iterator[Markup]:
    return (tag("td", cell) for cell in cells)
