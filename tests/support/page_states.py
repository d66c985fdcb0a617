"""The states in which the pages must be read at three in the morning, as views: from no data to two hundred agents."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.history.view import (
    DecisionView,
    EvidencePointView,
    GuardrailPointView,
    HistoryView,
    PointView,
    Quantiles,
    RecentView,
    SeriesView,
    TokenSums,
)  # fmt: skip
from gateway.limits.limit_view import LimitView
from gateway.pages.actions import ActionForms
from gateway.pages.agent_page import AgentReading, agent_page
from gateway.pages.call_page import call_page
from gateway.pages.conversation_page import conversation_page
from gateway.pages.frame import LivePage
from gateway.pages.overview import overview
from gateway.pages.reference_page import reference_page
from gateway.pages.review_page import LastLabel, item_page, reviews_page, start_page
from gateway.pages.search_page import calls_page, conversations_page
from gateway.review.view import AgentReviewsView, LabelView, OpenReviewView, WaitingView
from gateway.rollout.status_view import (
    AgentView,
    ConfigView,
    CountsView,
    FindingView,
    OutlookView,
    ReasonView,
    RetirementView,
    StatusView,
    StepView,
    StoreView,
    VersionView,
)  # fmt: skip
from gateway.traces.view import (
    AttemptKind,
    AttemptView,
    CallList,
    CallTokens,
    CallView,
    ConversationList,
    ConversationSummary,
    ConversationTree,
    ToolCallView,
    ToolResultView,
    ToolView,
    TraceStep,
    VersionServed,
)  # fmt: skip
from policies.rollout.state import VersionRef
from routing.agents import Agent, AgentVersion, Target, Tool
from tests.support.views import agent_view, status_view, version_view

NOW = datetime(2026, 11, 30, 3, 12, 40, tzinfo=UTC)
_TOKENS = TokenSums(0, 0, 0, 0)
_TRIAL_MINUTES = 52  # since the canary was started
_STABLE_CALLS, _CANARY_CALLS = 68 * _TRIAL_MINUTES, 4 * _TRIAL_MINUTES
_V1, _V2 = VersionRef("v1", "3f9a12c07bd4" + "0" * 52), VersionRef("v2", "b81c55e2a90d" + "0" * 52)


def at(**ago: float) -> str:
    """The time so long before now."""
    return (NOW - timedelta(**ago)).isoformat().replace("+00:00", "Z")


def recent(
    calls: int, rate: float, p50: float = 0.62, cost: float = 0.0043, unanswered: float | None = None
) -> RecentView:
    if not calls:
        return RecentView(0, 0, None, None, None, None, None, None)
    errors, lost = round(calls * rate), round(calls * (rate if unanswered is None else unanswered))
    return RecentView(calls, errors, errors / calls, p50, p50 * 2.1, p50 / 3, cost, 0.91, unanswered=lost)


def version(
    per_minute: int, rate: float, p50: float = 0.62, cost: float = 0.0043, unanswered: float | None = None
) -> VersionView:
    """A version that is called so often and fails so often; its clients get no answer as often, if not said."""
    calls = per_minute * _TRIAL_MINUTES
    errors = round(calls * rate)
    return version_view(
        requests=calls, errors=errors, error_rate=errors / calls, rejected=0, fallbacks=0, hedges=0,
        latency_seconds=Quantiles(p50, p50 * 2.1, p50 * 4), ttft_seconds=Quantiles(p50 / 3, p50, p50 * 2),
        cost_usd=calls * cost, cost_per_request_usd=cost, quality=0.91,
        recent={
            "1m": recent(per_minute, rate, p50, cost, unanswered),
            "5m": recent(5 * per_minute, rate, p50, cost, unanswered),
            "1h": recent(min(60 * per_minute, calls), rate, p50, cost, unanswered),
        },
    )  # fmt: skip


def finding(
    metric: str, verdict: str, e_value: float, stable: Any, canary: Any, limit: float, **members: Any
) -> FindingView:
    """A relative guardrail's finding; a share is that of whole calls. One in ten is slow on either arm."""
    unit = {"latency_p90": "seconds", "cost": "usd"}.get(metric, "share")
    share = 0.4 if metric == "error_rate" else 0.15
    bad = [
        None if unit == "usd" else 0.1 * of if unit == "seconds" else (value or 0.0) * of
        for value, of in ((stable, _STABLE_CALLS), (canary, _CANARY_CALLS))
    ]
    counted = [
        CountsView(None if each is None else round(each), of)
        for each, of in zip(bad, (_STABLE_CALLS, _CANARY_CALLS), strict=True)
    ]
    if unit == "share" and stable is not None:
        stable, canary = (each.bad / each.of for each in counted if each.bad is not None)
    found = FindingView(
        text=f"{metric} <= stable * {limit:.2f}", metric=metric, verdict=verdict, e_value=e_value,
        e_value_of_all=e_value, evidence=e_value * share, threshold=100.0, share=share, unit=unit, relative=True,
        limit=limit, stable=stable, canary=canary, ratio=canary / stable if canary and stable else None,
        stable_counts=counted[0], canary_counts=counted[1],
    )  # fmt: skip
    return replace(found, **members)


def _canary(rate: float) -> VersionView:
    return version(4, rate, p50=0.6243, cost=0.0046)


FINE = (
    finding("error_rate", "fine", 0.6, 0.021, 0.019, 1.25),
    finding("latency_p90", "fine", 0.9, 1.302, 1.311, 1.1),
    finding("cost", "watching", 1.4, 0.0043, 0.0046, 1.05),
    finding("rejection_rate", "fine", 1.0, 0.0, 0.0, 2.0),
    finding("low_quality", "no data", 1.0, None, None, 1.2, stable_counts=None, canary_counts=None),
)
_FINE_FOR_200_CALLS = tuple(
    replace(each, canary_counts=replace(each.canary_counts, of=200, bad=each.canary_counts.bad and 20))
    if each.canary_counts
    else each
    for each in FINE[1:]
)
_STEPS = (StepView(0.05, 3600, 500, False), StepView(0.25, 3600, 500, True), StepView(1.0, 3600, 500, False))
_START = DecisionView(at(minutes=52), "configuration", "start", "v2 on trial at 5% over v1", None)


def trial(**members: Any) -> AgentView:
    """A healthy trial."""
    shown: dict[str, Any] = {
        "phase": "running", "epoch": 2, "step": 1, "steps": _STEPS, "weight": 0.05, "reason": _START.reason,
        "changed_at": at(minutes=52), "stable": _V1, "canary": _V2, "e_value": 0.9, "guardrails": FINE,
        "outlook": OutlookView(0.61, 1.42, None), "waits_for": ("the step lasts for another 12 min",),
        "versions": {"v1": version(68, 0.021), "v2": _canary(0.019)}, "last_decision": _START,
    }  # fmt: skip
    return agent_view(**{**shown, **members})


def suspect() -> AgentView:
    bad = (finding("error_rate", "suspect", 92.0, 0.021, 0.041, 1.25), *FINE[1:])
    waits = ("the canary is suspect: E = 37.4", "the step lasts for another 12 min")
    return trial(
        guardrails=bad, e_value=37.4, outlook=OutlookView(1.18, 3.3, 160), waits_for=waits,
        versions={"v1": version(68, 0.021), "v2": _canary(0.041)},
    )  # fmt: skip


def rolled_back() -> AgentView:
    """It got 200 calls in 50 minutes, until two minutes ago, and 76 failed."""
    counted = CountsView(76, 200)
    bad = (
        finding("error_rate", "breached", 1170.0, 0.021, 76 / 200, 1.25, canary_counts=counted),
        *_FINE_FOR_200_CALLS,
    )
    reason = "error_rate <= stable * 1.25 is breached: E = 468 of 100"
    evidence, last = {"canary_failing": 76, "e_value": 468.2}, recent(200, 0.38)
    failed = replace(
        _canary(0.38), requests=200, errors=76, error_rate=76 / 200, cost_usd=200 * 0.0046, reasons=_FAILURES,
        recent={"1m": recent(0, 0.0), "5m": recent(12, 0.5), "1h": last},
    )  # fmt: skip
    return trial(
        phase="rolled_back", epoch=3, weight=0.0, reason=reason, changed_at=at(minutes=2), guardrails=bad,
        e_value=468.2, outlook=None, waits_for=(), versions={"v1": version(71, 0.021), "v2": failed},
        last_decision=DecisionView(at(minutes=2), "controller", "roll_back", reason, evidence),
    )  # fmt: skip


def failing() -> AgentView:
    return trial(versions={"v1": version(68, 0.43), "v2": version(4, 0.41)})


def quiet(**members: Any) -> AgentView:
    """An agent without a canary that nobody calls."""
    nothing = version_view(
        requests=0, errors=0, error_rate=None, rejected=0, fallbacks=0, hedges=0, cost_usd=None, quality=None,
        latency_seconds=Quantiles(None, None, None), ttft_seconds=Quantiles(None, None, None),
    )  # fmt: skip
    shown: dict[str, Any] = {
        "phase": None, "epoch": 0, "step": 0, "steps": (), "weight": 0.0, "reason": "no canary", "changed_at": None,
        "stable": _V1, "canary": None, "e_value": 1.0, "guardrails": (), "versions": {"v1": nothing},
        "last_decision": None,
    }  # fmt: skip
    return agent_view(**{**shown, **members})


def view(agents: Mapping[str, AgentView], **gateway: Any) -> StatusView:
    shown = {"replica": "5og8sbV3cUYA", "config": ConfigView("f" * 64, at(hours=5), None), **gateway}
    return replace(status_view(**shown), now=at(), agents=agents)


def history(canary_rate: float = 0.02, e_value: float = 0.9, *, ends: bool = False) -> HistoryView:
    """An hour of two arms; where it `ends`, the canary was rolled back in it."""
    rng = random.Random(7)
    moments = [NOW - timedelta(seconds=60 * step) for step in range(60, 0, -1)]
    until = NOW - timedelta(minutes=2) if ends else NOW

    def points(calls: int, rate: float, p50: float, stop: datetime) -> tuple[PointView, ...]:
        return tuple(_point(moment, rng, calls, rate, p50) for moment in moments if moment < stop)

    series = (
        SeriesView("v1", "stable", points(68, 0.021, 0.62, NOW)),
        SeriesView("v2", "canary", points(4, canary_rate, 0.66, until)),
    )
    evidence = tuple(_evidence(moment, index, e_value) for index, moment in enumerate(moments) if moment < until)
    decisions = [replace(_START, at=at(minutes=52))]
    if ends:
        decisions.append(DecisionView(at(minutes=2), "controller", "roll_back", "error_rate is breached", None))
    return HistoryView("support", at(), 60, at(hours=1), at(), series, evidence, tuple(decisions))


def _point(moment: datetime, rng: random.Random, calls: int, rate: float, p50: float) -> PointView:
    calls = max(1, round(rng.gauss(calls, calls / 6)))
    errors = sum(rng.random() < rate for _ in range(calls))
    middle = p50 * rng.gauss(1, 0.06)
    return PointView(
        moment.isoformat(), calls, errors, {}, errors / calls, 0, 0, 0, Quantiles(middle, middle * 2.1, middle * 4),
        Quantiles(middle / 3, middle, middle), _TOKENS, calls * 0.0043, 0.0043 * rng.gauss(1, 0.05), 0,
        min(rng.gauss(0.9, 0.03), 1), calls,
    )  # fmt: skip


def _evidence(moment: datetime, index: int, e_value: float) -> EvidencePointView:
    grown = math.exp(math.log(max(e_value, 0.2) * 2.5) * index / 60)
    pairs = {"error_rate <= stable * 1.25": grown, "latency_p90 <= stable * 1.10": 0.9, "cost <= stable * 1.05": 1.3}
    return EvidencePointView(
        moment.isoformat(), tuple(GuardrailPointView(text, e, 0.02, 0.02, 0.025) for text, e in pairs.items())
    )


def _configured() -> Agent:
    tool = Tool("lookup_order", '{"type": "function", "function": {"name": "lookup_order"}}')
    v1 = AgentVersion(
        "v1",
        Target("openai", "gpt-4o"),
        "You are the support agent of a shop. Answer in two sentences.",
        {"temperature": "0.3"},
    )
    v2 = AgentVersion(
        "v2", Target("anthropic", "claude-sonnet-4-5"),
        "You are the support agent of a shop. Look the order up first, then answer in one sentence.",
        {"temperature": "0.1"}, (tool,),
    )  # fmt: skip
    return Agent("support", {"v1": v1, "v2": v2}, "v1", "v2")


def page_of(agent: AgentView, past: HistoryView | None, **gateway: Any) -> LivePage:
    """The page of one agent, for an operator."""
    forms = ActionForms("support/act")
    reading = AgentReading(_configured() if agent.canary else None, True, past, "1h", forms)
    return agent_page(view({"support": agent}, **gateway), "support", reading)


def _several() -> dict[str, AgentView]:
    return {
        "support": suspect(), "billing": rolled_back(), "search": trial(), "translate": quiet(),
        "onboarding": trial(phase="paused", reason="looking into tickets"),
    }  # fmt: skip


def _two_hundred() -> dict[str, AgentView]:
    kinds: tuple[Callable[[], AgentView], ...] = (trial, quiet, trial, suspect, rolled_back)
    return {f"agent-{number:03}": kinds[number % 5 if number % 20 == 3 else number % 3]() for number in range(200)}


def _retired() -> AgentView:
    ending = RetirementView("openai/gpt-4-0613", "2026-12-04", 4, "https://platform.openai.com/docs/deprecations")
    return trial(retirements=(ending,))


def _attempt(target: str, kind: AttemptKind, after: float, seconds: float, **members: Any) -> AttemptView:
    """An attempt that the client got its answer from; `members` differ."""
    shown = AttemptView(
        target, kind, at(seconds=60 - after), seconds, seconds / 3, 200, None, "", "", "req_1", True,
        CallTokens(310, 0, 46, 0), 0.0051,
    )  # fmt: skip
    return replace(shown, **members)


def call(number: int = 1, after: float = 0.0, **members: Any) -> CallView:
    """A call whose first target was overloaded, and whose fallback answered."""
    overloaded: dict[str, Any] = {"status": 503, "failure": "status", "message": "overloaded", "answered": False}
    attempts = (
        _attempt("openai/gpt-4o", "first", after, 0.3, **overloaded, tokens=CallTokens(), cost_usd=None),
        _attempt("anthropic/claude-sonnet-4-5", "fallback", after + 0.32, 0.88),
    )
    shown = CallView(
        f"5og8sbV3cUYAAAAAAQAAAAKKOVFt_HsJE7{number:02}", "7f3c21aa90b4e1d2", "order 7x8j2", "web", "support", "v2",
        "canary", "split", "openai", False, at(seconds=60 - after), at(seconds=58.8 - after), 1.2, 0.6, "answered", 200,
        False, "tool_calls", attempts, (ToolCallView("call_1", "lookup_order"),), (ToolResultView("c0", "find", True),),
        CallTokens(310, 0, 46, 0, True), 0.0051, 0.0051, 1, "client-77", None,
    )  # fmt: skip
    return replace(shown, **members)


def _summary(**members: Any) -> ConversationSummary:
    shown = ConversationSummary(
        "7f3c21aa90b4e1d2", "order 7x8j2", "web", (VersionServed("support", "v2", "canary"),), 2, 0, 2,
        at(seconds=60), at(seconds=56), 4.0, CallTokens(1200, 0, 300, 0), 0.0221, 0.024, 0,
    )  # fmt: skip
    return replace(shown, **members)


def tree(**members: Any) -> ConversationTree:
    """Two calls, a tool that worked, one that failed, one that never answered, and a sub-agent."""
    tools = (
        ToolView("call_1", "lookup_order", "ok", at(seconds=58.7), 0.245, "x"),
        ToolView("call_2", "refund", "error", at(seconds=58.7), 0.312, "x"),
        ToolView("call_3", "notify", "no answer", at(seconds=58.7), None, "x"),
    )
    second = call(2, 1.6, attempts=(_attempt("openai/gpt-4o", "first", 1.6, 1.1),), asked_for=())
    steps = (
        TraceStep("call", call().at, 1.2, call(), copies=(call(9),)),
        *(TraceStep("tool", tool.at, tool.seconds, tool=tool) for tool in tools),
        TraceStep("app", at(seconds=58.5), 0.1),
        TraceStep("call", second.at, 1.1, second),
    )
    researcher = ConversationTree(_summary(id="b" * 16, name="researcher", calls=1), steps[:1])
    return ConversationTree(_summary(**members), steps, (researcher,))


def said(**members: Any) -> CallContent:
    """A request with a system prompt, a tool's result and a hostile word, and a long answer."""
    order = ContentPart("tool_call", '{"order":"7x8j2","fields":["status","carrier"]}', "call_1", "lookup_order")
    shown = CallContent(
        (
            ContentMessage("system", (ContentPart("text", "You are a support agent.\nBe brief, and kind."),)),
            ContentMessage(
                "user", (ContentPart("text", "Where is my order 7x8j2?"), ContentPart("media", "image image/png"))
            ),
            ContentMessage("assistant", (ContentPart("reasoning", "I should look it up."), order)),
            ContentMessage(
                "tool", (replace(order, kind="tool_result", text="<b>late</b> \u202egnp.exe \x1b[2J", error=True),)
            ),
        ),
        ContentMessage("assistant", (ContentPart("text", "Your order left our warehouse yesterday. " * 12),)),
        redacted=2,
        cut=True,
    )  # fmt: skip
    return replace(shown, **members)


def conversation_said() -> ConversationTree:
    """The same conversation, whose second call repeats what the first one had, and was left."""
    thanks = ContentMessage("user", (ContentPart("text", "And when does it arrive?"),))
    first, parts = said(), said().answer
    assert parts is not None
    second = CallContent((*first.messages, parts, thanks), ContentMessage("assistant", parts.parts[:1]), complete=False)
    contents = iter((first, second))
    shown = tree()
    steps = [
        replace(step, call=replace(step.call, content=next(contents))) if step.call is not None else step
        for step in shown.steps
    ]
    return replace(shown, steps=tuple(steps))


def reviews_of(**members: Any) -> AgentReviewsView:
    labels = {"bad": 3, "unsure": 1, "good": 24}
    reasons = {"sample": 9, "low_judge": 3, "escalated": 2}
    return replace(AgentReviewsView("support", 12, reasons, at(hours=5), labels, 1), **members)


def label_given(**members: Any) -> LabelView:
    return replace(
        LabelView(call(1).id, "t", "v2", "canary", ("sample",), "good", "", "ada", at(seconds=9), None), **members
    )


def _answer(text: str) -> CallContent:
    """A short conversation with a tool, and its answer."""
    found = ContentPart("tool_call", '{"order":"7x8j2"}', "call_1", "lookup_order")
    result = replace(found, kind="tool_result", text='{"status":"shipped","carrier":"DHL"}')
    return CallContent(
        (
            ContentMessage("user", (ContentPart("text", "Where is my order 7x8j2?"),)),
            ContentMessage("assistant", (found,)),
            ContentMessage("tool", (result,)),
        ),
        ContentMessage("assistant", (ContentPart("text", text),)),
    )


def review_item(*answers: str) -> LivePage:
    """The page of an answer, or of a pair, behind one that was labelled just before."""
    cases = tuple(map(_answer, answers))
    view = OpenReviewView("support", "5f1c0a9d3e7b24688c1d2e3f", at(minutes=-9), cases)
    return item_page(view, LastLabel((label_given(),), "aa"))


_FAILURES = (
    ReasonView(76, at(minutes=2), "anthropic/claude-sonnet-4-5", "status", 529, "overloaded_error", "Overloaded", True,
               (call(1).id, call(2).id)),
    ReasonView(1, at(minutes=20), "anthropic/claude-sonnet-4-5", "connect", None, "", "", False, ()),
)  # fmt: skip

STORE_AWAY = {"store": StoreView("redis", False, "connection refused at 127.0.0.1:6379")}
BROKEN = {
    "config": ConfigView(
        "f" * 64, at(hours=5), "routing.yaml:4: agents.support.canary: unknown version 'v3'; known: v1, v2"
    )
}


def limits() -> tuple[LimitView, ...]:
    """A budget that is used up, one beyond its soft share, and others with room."""
    midnight = "2026-12-01T00:00:00Z"
    return (
        LimitView("key", "nightly-batch", "usd", "24h", 50.0, 49.99, 0.01, None, 0.8, True),
        LimitView("group", "internal", "usd", "month", 2000.0, 1710.4, 289.6, midnight, 0.8, True),
        LimitView("key", "web-app", "requests", "1m", 600, 212, 388, None, 0.9),
        LimitView("key", "web-app", "in_flight", None, 50, 3, 47, None),
        LimitView("agent", "search", "tokens", "day", 5_000_000, 1_240_000, 3_760_000, midnight),
        LimitView("canary", "search/v2", "usd", "24h", 5.0, 4.2, 0.8, None, 0.8, True),
    )


def _with_limits() -> LivePage:
    return overview(replace(view(_several()), limits=limits()))


STATES: Mapping[str, Callable[[], LivePage]] = {
    "overview": lambda: overview(view(_several())),
    "overview-empty": lambda: overview(view({})),
    "overview-no-data": lambda: overview(view({"support": quiet()}), host="127.0.0.1:8080"),
    "overview-failing": lambda: overview(view({**_several(), "checkout": failing()})),
    "overview-200": lambda: overview(view(_two_hundred())),
    "limits": _with_limits,
    "store-away": lambda: overview(view({"search": trial()}, **STORE_AWAY, circuits={"openai/gpt-4o": "half_open"})),
    "config-broken": lambda: overview(view({"search": trial()}, **BROKEN)),
    "retired-model": lambda: page_of(_retired(), history()),
    "no-data": lambda: page_of(quiet(), HistoryView("support", at(), 30, at(hours=1), at(), (), (), ())),
    "healthy-trial": lambda: page_of(trial(), history()),
    "suspect": lambda: page_of(suspect(), history(0.05, 37.4)),
    "rolled-back": lambda: page_of(rolled_back(), history(0.38, 468.0, ends=True)),
    "call": lambda: call_page(call()),
    "call-failed": lambda: call_page(call(end="failed", unanswered=True, status=502, attempts=call().attempts[:1])),
    "call-said": lambda: call_page(call(content=said())),
    "conversation": lambda: conversation_page(tree()),
    "conversation-said": lambda: conversation_page(conversation_said()),
    "calls": lambda: calls_page(CallList((call(), call(2, unanswered=True)), "next"), {"agent": "support"}),
    "calls-none": lambda: calls_page(CallList((), None), {"unanswered": "true"}),
    "conversations": lambda: conversations_page(ConversationList((_summary(), _summary(unanswered=1)), None), {}),
    "failing": lambda: page_of(failing(), None),
    "reviews": lambda: reviews_page((WaitingView("support", 12), WaitingView("search", 0))),
    "reviews-none": lambda: reviews_page(()),
    "review-start": lambda: start_page(reviews_of(), "../", LastLabel((label_given(),), "aa"), "It was too late."),
    "review-item": lambda: review_item("Your order has been shipped with DHL and arrives tomorrow."),
    "review-pair": lambda: review_item("It was shipped.", "Your order is on its way with DHL."),
    "reference": reference_page,
}  # fmt: skip
