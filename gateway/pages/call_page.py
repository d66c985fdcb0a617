"""The page of one call: how it ended, its attempts on one axis of time, its tools, what it cost."""

from collections.abc import Iterator

from gateway.pages.condition import Level
from gateway.pages.frame import LivePage, chip
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.judged import verdict_section
from gateway.pages.moments import moment, seconds_of
from gateway.pages.said import call_said
from gateway.pages.trace_words import (
    agent_anchor,
    attempt_kind,
    attempt_words,
    conversation_anchor,
    cost,
    ended,
    tokens,
)
from gateway.pages.waterfall import Bar, waterfall
from gateway.rollout.status_words import duration
from gateway.traces.handovers import handover_words
from gateway.traces.view import AttemptView, CallView

_TOP = "../"


def call_page(call: CallView) -> LivePage:
    """Return the page of a call that has ended."""
    words = f"{ended(call)} in {duration(call.seconds)}"
    sentence = f"{words[0].upper()}{words[1:]}."
    level = level_of(call)
    head = tag("section", call_chip(call), tag("h1", sentence), tag("dl", *_facts(call), class_="facts"), class_="now")
    return LivePage(
        name=f"call …{call.id[-8:]}",
        title=f"{call.agent} {call.version}: {words}",
        level=level,
        top=_TOP,
        events=None,
        parts=(head, _attempts(call), _tools(call), verdict_section(call.verdict), call_said(call.content)),
        live={},
        crumbs=(("Serinus", f"{_TOP}status"), ("Calls", f"{_TOP}calls")),
    )


def level_of(call: CallView) -> Level:
    """Return how well a call went: with a fallback or a retry it was answered, but not as it should be."""
    if call.unanswered:
        return "hurt"
    return "attention" if any(attempt.failure for attempt in call.attempts) or call.end != "answered" else "fine"


def call_chip(call: CallView) -> Markup:
    """Return how well a call went, as a sign and a word."""
    level = level_of(call)
    return chip(level, {"hurt": "no answer", "attention": "had trouble"}.get(level, "ok"))


def _facts(call: CallView) -> Iterator[Markup]:
    arm = f", {call.arm}" if call.arm else ""
    facts: dict[str, Markup | str | None] = {
        "agent": joined((agent_anchor(_TOP, call.agent), f" {call.version}{arm} by {call.reason}")),
        "conversation": conversation_anchor(_TOP, call.conversation, call.conversation_name),
        "began": moment(call.at),
        "status": f"{call.status} {call.end.replace('_', ' ')}" + (f", {call.finish}" if call.finish else ""),
        "people": None if call.handover is None else handover_words(call.handover),
        "first token": None if call.ttft_seconds is None else duration(call.ttft_seconds),
        "tokens": tokens(call.tokens),
        "answer cost": cost(call.answer_usd, call.unpriced),
        "in all": cost(call.cost_usd, call.unpriced),
        "format": f"{call.format}{', streamed' if call.stream else ''}",
        "caller": call.caller,
        "client's id": call.request_id,
        "sub-agent": call.sub_agent,
        "id": tag("code", call.id),
    }
    for name, value in facts.items():
        if value:
            yield tag("div", tag("dt", name), tag("dd", value))


def _attempts(call: CallView) -> Markup:
    if not call.attempts:
        return tag("section", tag("h2", "Attempts"), tag("p", "No provider was asked."))
    bars = [
        Bar(attempt_words(each), attempt_kind(each), seconds_of(each.at) or 0.0, each.seconds, tuple(_cells(each)))
        for each in call.attempts
    ]
    columns = ("first token", "tokens", "cost", "what the provider said")
    return tag("section", tag("h2", "Attempts"), waterfall("Attempts", bars, columns))


def _cells(attempt: AttemptView) -> Iterator[str]:
    yield "–" if attempt.ttft_seconds is None else duration(attempt.ttft_seconds)
    yield tokens(attempt.tokens)
    yield cost(attempt.cost_usd)
    said = (attempt.message, attempt.code, attempt.upstream_id and f"id {attempt.upstream_id}")
    yield " · ".join(filter(None, said)) or "–"


def _tools(call: CallView) -> Markup:
    """Return the tools that the answer asked for, and the results that the request brought."""
    brought = [tag("li", f"{each.name or each.id}: {'error' if each.error else 'ok'}") for each in call.brought]
    if (more := call.brought_count - len(call.brought)) > 0:
        brought.append(tag("li", f"and {more:,} before them"))
    asked = [tag("li", f"{each.name}", " ", tag("code", each.id)) for each in call.asked_for]
    if not brought and not asked:
        return NOTHING
    parts = [tag("h3", "Brought results of"), tag("ul", *brought)] if brought else []
    parts += [tag("h3", "Asked for"), tag("ul", *asked)] if asked else []
    return tag("section", tag("h2", "Tools"), *parts)
