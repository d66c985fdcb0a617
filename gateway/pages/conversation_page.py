"""The page of one conversation: its calls, tools and pauses in the order of time, and what all of it cost."""

from collections.abc import Iterator

from gateway.pages.call_page import level_of
from gateway.pages.condition import Level
from gateway.pages.frame import LivePage, chip
from gateway.pages.handover_bar import handover_bar
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.moments import moment, seconds_of
from gateway.pages.said import conversation_said
from gateway.pages.trace_words import agent_anchor, attempt_kind, attempt_words, call_anchor, cost, ended, tokens
from gateway.pages.waterfall import Bar, waterfall
from gateway.rollout.status_words import duration
from gateway.traces.view import CallView, ConversationSummary, ConversationTree, ToolView, TraceStep

_TOP = "../"
_MOST_ROWS = 500
_TOOL_LEVELS = {"ok": "fine", "error": "hurt", "no answer": "suspect"}


def conversation_page(tree: ConversationTree) -> LivePage:
    """Return the page of a conversation and of its sub-agents."""
    summary = tree.summary
    words = (
        f"{_count(summary.calls, 'call')} in {duration(summary.seconds)}, {cost(summary.cost_usd, summary.unpriced)}"
    )
    level: Level = "hurt" if summary.unanswered else "fine"
    lost = f"{summary.unanswered} of them got no answer." if summary.unanswered else ""
    head = tag(
        "section", chip(level), tag("h1", f"{words}."), tag("p", lost, class_="detail") if lost else NOTHING,
        tag("dl", *_facts(summary), class_="facts"), class_="now",
    )  # fmt: skip
    bars = list(_bars(tree, 0))
    rest = len(bars) - _MOST_ROWS
    more = tag("p", f"{rest:,} more steps are in the JSON of this address.", class_="hint") if rest > 0 else NOTHING
    steps = waterfall("Steps", bars[:_MOST_ROWS], ("tokens", "cost", "outcome"))
    return LivePage(
        name=summary.name or summary.id,
        title=f"Conversation: {words}",
        level=level,
        top=_TOP,
        events=None,
        parts=(head, tag("section", tag("h2", "What happened"), steps, more), conversation_said(tree, _TOP)),
        live={},
        crumbs=(("Serinus", f"{_TOP}status"), ("Conversations", f"{_TOP}conversations")),
    )


def _facts(summary: ConversationSummary) -> Iterator[Markup]:
    served = (joined((agent_anchor(_TOP, each.agent), f" {each.version}", f" ({each.arm})" if each.arm else ""))
              for each in summary.versions)  # fmt: skip
    facts: dict[str, Markup | str | None] = {
        "versions": joined(served, ", "),
        "began": moment(summary.at),
        "tools": str(summary.tools),
        "tokens": tokens(summary.tokens),
        "its answers cost": cost(summary.answer_usd, summary.unpriced),
        "in all": cost(summary.cost_usd, summary.unpriced),
        "caller": summary.caller,
        "id": tag("code", summary.id),
    }
    for name, value in facts.items():
        if value:
            yield tag("div", tag("dt", name), tag("dd", value))


def _bars(tree: ConversationTree, depth: int) -> Iterator[Bar]:
    for step in tree.steps:
        yield from _step(step, depth)
    for sub_agent in tree.sub_agents:
        name = sub_agent.summary.name or sub_agent.summary.id
        at, seconds = seconds_of(sub_agent.summary.at) or 0.0, sub_agent.summary.seconds
        yield Bar(tag("span", tag("b", "sub-agent "), name), "quiet", at, seconds, ("", "", ""), depth)
        yield from _bars(sub_agent, depth + 1)


def _step(step: TraceStep, depth: int) -> Iterator[Bar]:
    at = seconds_of(step.at) or 0.0
    if step.call is not None:
        yield from _call(step.call, at, depth)
        for copy in step.copies:
            words = tag("span", "copy for a shadow ", call_anchor(_TOP, copy.id))
            cells = (tokens(copy.tokens), cost(copy.cost_usd, copy.unpriced), ended(copy))
            yield Bar(words, "quiet", seconds_of(copy.at) or at, copy.seconds, cells, depth + 1)
    elif step.tool is not None:
        yield _tool(step.tool, at, depth)
    else:
        yield Bar(tag("span", "the app's own time"), "quiet", at, step.seconds, ("", "", ""), depth)


def _call(call: CallView, at: float, depth: int) -> Iterator[Bar]:
    asked = f", asked for {', '.join(each.name for each in call.asked_for)}" if call.asked_for else ""
    words = tag("span", tag("b", "call "), call_anchor(_TOP, call.id), f" {call.version}")
    cells = (tokens(call.tokens), cost(call.cost_usd, call.unpriced), f"{ended(call)}{asked}")
    yield Bar(words, "stable" if level_of(call) == "fine" else level_of(call), at, call.seconds, cells, depth)
    if len(call.attempts) > 1 or any(each.failure and (each.message or each.code) for each in call.attempts):
        for each in call.attempts:
            said = (tokens(each.tokens), cost(each.cost_usd), each.message or each.code or "")
            began = seconds_of(each.at) or at
            yield Bar(attempt_words(each), attempt_kind(each), began, each.seconds, said, depth + 1)
    if call.handover is not None:
        yield handover_bar(call.handover, seconds_of(call.ended_at) or at, depth + 1)


def _tool(tool: ToolView, at: float, depth: int) -> Bar:
    level = _TOOL_LEVELS.get(tool.state, "quiet")
    return Bar(tag("span", tag("b", "tool "), tool.name), level, at, tool.seconds, ("", "", tool.state), depth)


def _count(number: int, one: str) -> str:
    return f"{number} {one if number == 1 else one + 's'}"
