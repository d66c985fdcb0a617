"""The pages in every state: nothing that anybody wrote is obeyed, and what must be known is said."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.history.view import SeriesView
from gateway.pages.agent_page import AgentReading, agent_page
from gateway.pages.call_page import call_page
from gateway.pages.condition import agent_condition
from gateway.pages.conversation_page import conversation_page
from gateway.pages.curves import charts
from gateway.pages.frame import LivePage, document
from gateway.pages.moments import seconds_of
from gateway.pages.overview import Selection, overview
from gateway.pages.search_page import calls_page, conversations_page
from gateway.rollout.status_view import AgentView, ConfigView, RetirementView, StatusView, StoreView
from gateway.traces.view import CallList, ConversationList
from policies.behaviours.behaviours import BEHAVIOURS
from tests.support.page_states import (
    STATES,
    STORE_AWAY,
    at,
    call,
    failing,
    finding,
    history,
    page_of,
    quiet,
    rolled_back,
    tree,
    trial,
    version,
    view,
)
from tests.support.views import FINDING, agent_view, status_view, with_every_text

HOSTILE = "</style><script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;${replica}"


class _Elements(HTMLParser):
    """The elements of a document, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(html)
    return parser.elements


def text(page: LivePage) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", document(page).decode()).split())


def one(agent: AgentView, **gateway: Any) -> str:
    return text(page_of(agent, history(), **gateway))


def everything_hostile() -> list[LivePage]:
    """Every page of a status in which every text is hostile, names too."""
    agent = agent_view(
        waits_for=("",), unpriced=("",), signals=(replace(FINDING, unit="usd"),), openings="", excluded="",
        retirements=(RetirementView("", "", 3, ""),), ignored_rules=("",), dismissed=("",),
    )  # fmt: skip
    shown = status_view(agent, circuits={"": ""})
    shown = replace(
        shown, gateway=replace(shown.gateway, config=ConfigView("", "", ""), store=StoreView("", False, ""))
    )
    hostile = with_every_text(shown, HOSTILE)
    agents = {name: _with_known_words(each) for name, each in hostile.agents.items()}
    hostile = replace(hostile, agents=agents, models={HOSTILE: next(iter(agents.values())).versions[HOSTILE]})
    past = replace(with_every_text(history(), HOSTILE), step_seconds=60)
    reading = AgentReading(None, True, past, "1h", None)
    found, talks = CallList((call(),), "x"), ConversationList((tree().summary,), "x")
    return [
        overview(hostile, Selection(HOSTILE), HOSTILE),
        agent_page(hostile, HOSTILE, reading),
        call_page(with_every_text(call(), HOSTILE)),
        conversation_page(with_every_text(tree(), HOSTILE)),
        calls_page(with_every_text(found, HOSTILE), {"agent": HOSTILE}),
        conversations_page(with_every_text(talks, HOSTILE), {"since": HOSTILE}),
    ]


def _with_known_words(agent: AgentView) -> AgentView:
    """The agent with the words that come from us and no one else."""
    return replace(
        agent,
        guardrails=tuple(replace(each, unit="share", verdict="watching") for each in agent.guardrails),
        signals=tuple(replace(each, unit="share", verdict="watching") for each in agent.signals),
    )


def test_nothing_that_anybody_wrote_is_obeyed() -> None:
    """Every text is hostile, names too: no element of it comes to life, and none is dropped."""
    for page in everything_hostile():
        html = document(page).decode()
        found = elements(html)
        assert [attributes.get("src") for tag, attributes in found if tag == "script"] == [f"{page.top}status.js"]
        assert "img" not in {tag for tag, _ in found} and "alert" in html and "${replica}" in html
        assert not [name for _, attributes in found for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("name", STATES)
def test_a_page_loads_what_its_policy_allows(name: str) -> None:
    """One script, one stylesheet, one icon, all from here; no style and no script within the page."""
    page = STATES[name]()
    found = elements(document(page).decode())
    links = [attributes["href"] for tag, attributes in found if tag == "link"]
    assert links == [f"{page.top}status-{page.level}.svg", f"{page.top}status.css"]
    assert not [attributes for _, attributes in found if "style" in attributes]
    if page.events is None:
        assert not page.live
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids)) and set(page.live) <= set(ids)


@pytest.mark.parametrize(
    ("state", "level", "sentence"),
    [
        ("overview-failing", "hurt", "checkout: Clients got no answer to 43 % of the calls on v1."),
        ("overview", "suspect", "Nobody is hurt now. support: v2 is suspect."),
        ("rolled-back", "rolled_back", "v2 was rolled back. v1 serves every call."),
        ("suspect", "suspect", "v2 is suspect. Errors: 2.07 × stable, limit 1.25 ×. It gets 5 % of the traffic."),
        ("healthy-trial", "watching", "v2 gets 5 % of the traffic; nothing is proven against it."),
        ("store-away", "attention", "Nobody was hurt when the store last answered. The store is away"),
        ("config-broken", "attention", "Nobody is hurt now. The new configuration is broken"),
        ("retired-model", "attention", "A model it uses ends in 4 days."),
        ("overview-empty", "quiet", "No agent is configured yet."),
        ("no-data", "quiet", "v1 serves every call. No canary is on trial."),
    ],
)
def test_the_first_sentence_says_whether_anyone_is_hurt(state: str, level: str, sentence: str) -> None:
    """The title carries the state and so does the icon."""
    page = STATES[state]()
    assert page.level == level and sentence in text(page)
    assert f'id="icon" href="{page.top}status-{level}.svg"' in document(page).decode()


def test_the_first_sentence_speaks_of_what_clients_get() -> None:
    """Rejected requests hurt though no version has failed; failures that a fallback answers hurt nobody."""
    rejected = agent_condition(trial(versions={"v1": version(60, 0.0, unanswered=1.0)}))
    assert (rejected.level, rejected.sentence) == ("hurt", "Clients got no answer to 100 % of the calls on v1.")
    assert "60 of 60 calls got an error" in rejected.detail and "the version failed 0 at first" in rejected.detail
    saved = agent_condition(trial(versions={"v1": version(60, 0.85, unanswered=0.0)}))
    assert (saved.level, saved.sentence) == ("attention", "v1 fails 85 % of its calls, but clients get answers.")
    assert "failed 51 of 60 calls at first; clients got 0 errors" in saved.detail


def test_the_worst_agent_stands_first() -> None:
    """Then what needs a person, then the busiest."""
    page = STATES["overview-failing"]()
    order = [f"agent-{name}" for name in ("checkout", "support", "onboarding", "billing", "search", "translate")]
    assert list(page.lists["agents"]) == order


def test_a_filter_keeps_what_it_names() -> None:
    """By words of the name, or only what needs attention; the stream of events is filtered alike."""
    agents = {"support": rolled_back(), "search": trial(), "supply": quiet()}
    by_name = overview(view(agents), Selection("SUP"))
    assert by_name.lists["agents"] == ("agent-support", "agent-supply") and by_name.events == "status/events?filter=SUP"
    assert overview(view(agents), Selection("", True)).lists["agents"] == ("agent-support",)


def test_values_stand_beside_their_limits() -> None:
    """In the metric's own unit, with counts; E is a sentence."""
    shown = text(STATES["suspect"]())
    for words in (
        "2.07 × stable, limit 1.25 ×", "between 1.18 × and 3.3 × stable, with 95 % confidence",
        "stable v1 2.1 % 74 of 3,536",
        "1.31 s slow: 21 of 208", "$0.00460 208 calls", "E 36.8 of 100",
        "E = 37.4: a canary as good as stable looks this bad in 1 of 37 rollouts.",
        "about 160 more of its calls prove it: about 40 min at this traffic",
    ):  # fmt: skip
        assert words in shown


def test_what_differs_is_shown_in_words() -> None:
    """Model, parameters, tools; the words of prompts for those alone who may read them."""
    page = STATES["healthy-trial"]()
    html = document(page).decode()
    assert "<del>openai/gpt-4o</del> → <ins>anthropic/claude-sonnet-4-5</ins>" in html
    assert "<ins>lookup_order</ins>" in html and "<ins>Look the order up first, then answer</ins>" in html


def test_a_store_that_is_away_makes_numbers_old() -> None:
    """An agent's page says of when they are, and the first sentence of all claims nothing of now."""
    assert "no decision is made, and the numbers are of 2026-11-30" in one(trial(read_at=at()), **STORE_AWAY)
    assert "the numbers are unknown" in one(trial(), **STORE_AWAY)
    hurt = text(overview(view({"support": failing()}, **STORE_AWAY)))
    assert "Clients got no answer" in hurt and "numbers are as old as the last answer" in hurt


def test_numbers_of_now_stand_beside_the_sums() -> None:
    """The last minute, five minutes and hour of each version, and its whole rollout."""
    shown = one(trial())
    assert "v1 stable 1 min 5 min 1 h rollout calls 68 340 3,536 3,536 errors 1.5 % (1 of 68) 2.1 % (7 of 340)" in shown


def test_a_decision_has_its_time_actor_and_evidence() -> None:
    """The latest first; times are UTC until the script writes the reader's own."""
    shown = text(STATES["rolled-back"]())
    assert "2026-11-30 03:10:40 UTC roll back by controller" in shown
    assert "On this evidence: E = 468, a canary as good as stable looks this bad in 1 of 468 rollouts." in shown
    assert shown.rindex("roll back by controller") < shown.rindex("start by configuration")


def test_the_curve_of_evidence_ends_at_the_rollback() -> None:
    """With the values that it rests on: neither a note that came late nor one that is missing contradicts it."""
    late = history(e_value=0.9)  # goes on after the decision
    noted = sum(each.at < at(minutes=3) for each in late.evidence)
    for past in (late, replace(late, evidence=late.evidence[:noted])):
        chart = next(each for each in charts(past, rolled_back()) if each.title.startswith("Evidence"))
        decided_at = seconds_of(at(minutes=2))
        assert [line.points[-1][0] for line in chart.lines] == [decided_at] * len(chart.lines)
        assert chart.lines[0].points[-1][1] == pytest.approx(468) and chart.step >= 60
        assert len(chart.lines[0].points) == noted + 1
    assert "stable * 1.25 468 " in text(page_of(rolled_back(), late))


def test_an_abort_or_an_old_rollback_adds_no_evidence() -> None:
    """The notes are drawn as they are, where nothing was rolled back within the time that is drawn."""
    past, agent = history(), rolled_back()
    decided = agent.last_decision
    assert decided is not None
    old, aborted = replace(decided, at=at(hours=5)), replace(decided, action="abort")
    for each in (replace(agent, last_decision=old), replace(agent, last_decision=aborted), trial()):
        chart = next(found for found in charts(past, each) if found.title.startswith("Evidence"))
        assert len(chart.lines[0].points) == len(past.evidence)


def test_a_behaviour_has_a_curve_where_a_call_shows_it() -> None:
    """As a share of the calls, whether or not a guardrail names it; one that nobody has seen has none."""
    past = history()
    stable = past.series[0]
    cut_off = tuple(replace(point, behaviours={"refusals": point.calls // 2}) for point in stable.points)
    drawn = {chart.title: chart for chart in charts(replace(past, series=(replace(stable, points=cut_off),)), trial())}
    assert drawn["Refusals"].lines[0].points[0][1] == pytest.approx(0.5, abs=0.1)
    assert "Truncated answers" not in drawn and "Refusals" not in {chart.title for chart in charts(past, trial())}


def test_every_behaviour_has_a_title() -> None:
    """One that is new does not stay unseen."""
    point = replace(history().series[0].points[0], behaviours=dict.fromkeys(BEHAVIOURS, 1))
    past = replace(history(), series=(SeriesView("v1", "stable", (point,)),))
    assert len(list(charts(past, trial()))) == len(list(charts(history(), trial()))) + len(BEHAVIOURS)


def test_the_split_is_compared_with_its_weight() -> None:
    """And a mismatch is said where one is proven."""
    assert "split is honest The canary is to get 5 % of new conversations. It got" in one(trial())
    reason = "the canary gets 2.00% of the calls instead of 5.00%: E = 3e+04"
    off = one(trial(waits_for=(reason,)))
    assert "split is off The canary is to get 5 % of new conversations. It got" in off and reason in off


@pytest.mark.parametrize(
    ("agent", "verbs"),
    [
        (trial(), ["abort", "pause", "promote"]),
        (trial(phase="paused", step=2), ["abort", "resume", "approve", "promote"]),
        (trial(step=3), ["abort", "pause", "promote-to-end"]),
        (rolled_back(), ["retry"]),
        (quiet(), []),
    ],
)
def test_a_page_offers_what_can_be_done_now(agent: AgentView, verbs: list[str]) -> None:
    """Each with what it does; nothing where no rollout is."""
    html = document(page_of(agent, None)).decode()
    found = [a["value"] for tag, a in elements(html) if tag == "input" and a.get("name") == "verb"]
    assert found == verbs


@pytest.mark.parametrize(
    ("agent", "gateway", "shown"),
    [
        (quiet(), {"store": StoreView("redis", False, "no route")}, "away redis: no route"),
        (quiet(), {"config": ConfigView("", "", "routing.yaml:4: unknown version")}, "routing.yaml:4"),
        (quiet(), {"circuits": {"openai/gpt-4o": "half_open"}}, "openai/gpt-4o: half open"),
        (quiet(unpriced=("house/<m>", "house/n")), {}, "No known price, not in the costs: house/&lt;m&gt;, house/n."),
        (trial(openings="90% begin with <hi>"), {}, "90% begin with &lt;hi&gt;."),
        (trial(excluded="the canary is kept from c7"), {}, "One caller is kept off the canary."),
        (trial(ignored_rules=("tier: gold → v2",)), {}, "Rules towards a rolled-back version are ignored"),
        (trial(dismissed=("cost",)), {}, "Dismissed by a person: cost."),
        (trial(pinned=True), {}, "running at 5 %, step 1 of 3, pinned"),
        (trial(phase="completed"), {}, "v2 has passed its trial and serves every call."),
        (trial(phase=None), {}, "The trial of v2 has not begun."),
        (trial(guardrails=()), {}, "No guardrail is configured."),
        (trial(guardrails=(finding("cost", "fine", 1.0, 0.1, 0.1, 1.05),)), {}, "and is fine so far."),
        (trial(guardrails=(finding("cost", "no data", 1.0, None, None, 1.05),)), {}, "nothing was measured yet"),
        (trial(guardrails=(finding("cost", "breached", 900.0, 0.1, 0.3, 1.05),)), {}, "v2 is worse than its limit."),
        (replace(rolled_back(), versions=failing().versions), {}, "no answer to 43 % of the calls on v1."),
        (replace(rolled_back(), versions={"v2": failing().versions["v2"]}), {}, "v2 was rolled back."),
        (trial(phase="completed", versions=failing().versions), {}, "no answer to 40 % of the calls on v2."),
        (failing(), {}, "In the last minute: 29 of 68 calls got an error"),
    ],
)  # fmt: skip
def test_what_must_be_known_is_said(agent: AgentView, gateway: dict[str, Any], shown: str) -> None:
    """Trouble of the gateway, of the costs, of the trial."""
    assert shown in one(agent, **gateway)


def test_an_empty_system_shows_the_first_steps() -> None:
    """Three, ready to be copied, under the name by which the reader came; gone with the first canary."""
    shown = text(STATES["overview-no-data"]())
    assert "curl http://127.0.0.1:8080/v1/chat/completions" in shown and "cp agents/support/v1.yaml" in shown
    assert "Three steps to a first canary" not in text(STATES["overview"]())
    assert "localhost:8080" in text(overview(view({}), host="x y"))


def test_the_same_page_has_the_same_state() -> None:
    """Whatever replica made it; any change is another state."""
    first, again, other = (STATES[name]() for name in ("suspect", "suspect", "rolled-back"))
    assert first.state() == again.state() != other.state()


def test_a_view_of_every_kind_has_a_page() -> None:
    """Nothing is taken for granted: no record, no canary, odd times."""
    bare: dict[str, Any] = {"phase": None, "canary": None, "changed_at": None, "last_decision": None, "step": 0}
    shown: StatusView = status_view(agent_view(**bare, guardrails=()))
    reading = AgentReading(None, False, None, "1h", None)
    assert "Nothing was decided yet." in text(agent_page(shown, "support", reading))
    assert "The history cannot be read now." in text(agent_page(shown, "support", reading))
    assert at(minutes=1) == "2026-11-30T03:11:40Z"


def test_why_calls_failed_is_said_with_calls_to_look_at() -> None:
    """In the provider's words, with how often and when last; and where all calls are."""
    page = STATES["rolled-back"]()
    shown, html = text(page), document(page).decode()
    assert "76 times: status 529 at anthropic/claude-sonnet-4-5: Overloaded · overloaded_error. Last" in shown
    assert "once: connect at anthropic/claude-sonnet-4-5, not an error of the version." in shown
    assert f'href="../calls/{call(1).id}"' in html and 'href="../calls?agent=support&amp;unanswered=true"' in html


def test_a_call_is_told_attempt_by_attempt() -> None:
    """Who answered, who failed with which words, and what it cost."""
    shown = text(call_page(call()))
    for words in (
        "had trouble Answered by anthropic/claude-sonnet-4-5 in 1.2 s.", "openai/gpt-4o status 503", "(fallback)",
        "overloaded · id req_1", "310 → 46 (estimated)", "$0.00510 and more", "find: error", "lookup_order call_1",
    ):  # fmt: skip
        assert words in shown
    failed = call_page(call(end="failed", unanswered=True, attempts=()))
    assert failed.level == "hurt" and "No provider was asked." in text(failed)
    assert "Handed over to people" in text(call_page(call(end="escalated", asked_for=(), brought=())))


def test_a_conversation_is_told_in_the_order_of_time() -> None:
    """Calls with their attempts, tools, the app's own time, copies for a shadow, sub-agents."""
    shown = text(conversation_page(tree()))
    order = ["call …", "status 503", "copy for a shadow", "tool lookup_order", "tool refund", "tool notify",
             "the app's own time".replace("'", "&#39;"), "sub-agent researcher"]  # fmt: skip
    assert [shown.index(each) for each in order] == sorted(shown.index(each) for each in order)
    assert "2 calls in 4 s, $0.0240." in shown and "no answer" in shown
    assert "1 of them got no answer." in text(conversation_page(tree(unanswered=1)))


def test_a_long_conversation_is_cut() -> None:
    """The rest is in the JSON."""
    long = replace(tree(), steps=tree().steps * 100)
    assert "more steps are in the JSON of this address." in text(conversation_page(long))


def test_a_search_keeps_what_was_asked_for() -> None:
    """In the form, and for earlier ones; nothing found is said."""
    html = document(STATES["calls"]()).decode()
    assert 'name="agent" value="support"' in html and 'href="calls?agent=support&amp;before=next"' in html
    assert "Nothing was found." in text(STATES["calls-none"]()) and "1 unanswered" in text(STATES["conversations"]())
