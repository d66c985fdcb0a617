"""Percentages beside counts, on every surface: a percentage is the quotient of the counts that stand beside it."""

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from gateway.cli.fail_on import first_failure
from gateway.cli.render import explain
from gateway.cli.status_text import status_rows
from gateway.history.curves import recent_views
from gateway.number_words import percentage
from gateway.pages.frame import document
from gateway.pages.overview import overview
from gateway.rollout.alert_sources import AlertSources
from gateway.rollout.recorder import Clock
from gateway.rollout.status_view import AgentView, CountsView, StatusView
from gateway.rollout.table import Table
from gateway.store.intervals import SUMS, Cell, Histogram, RecentCells
from gateway.store.seam import Sides, Snapshot
from tests.support.page_states import STATES, finding, history, page_of, trial, version, view
from tests.support.trials import agent_named

# Of 68 calls 51 failed, 6 were rejected and 10 say nothing of the version: three denominators that could be mixed up.
CELL = dict.fromkeys(SUMS, 0) | {"requests": 68, "errors": 51, "unjudged": 10, "rejected": 6, "unanswered": 29}
NONE = Histogram(0, ())
RECENT = RecentCells([Cell("v1|stable", tuple(CELL[name] for name in SUMS), NONE, NONE, {})], [], [])
BETWEEN = "|".join(
    (
        r" of (?:the|its) calls[^.]*\. In the last [^:]*: (?:the version failed )?",
        r" of \d+ calls in 5 min[^(]*\((?:the version failed )?",
        r" \(",
        " ",
    )
)
BESIDE = re.compile(rf"([\d.]+ %)(?:{BETWEEN})([\d,]+) of ([\d,]+)")


def hurt() -> AgentView:
    """A trial in which much goes wrong in different ways."""
    recent = recent_views(RECENT)["v1"]
    sums: dict[str, Any] = {"requests": 204, "errors": 155, "unjudged": 21, "rejected": 9, "error_rate": 155 / 183}
    versions = {name: replace(version(68, 0.5), **sums, recent=recent) for name in ("v1", "v2")}
    bad = finding(
        "error_rate", "suspect", 9.0, 155 / 183, 10 / 43, 1.25,
        stable_counts=CountsView(155, 183), canary_counts=CountsView(10, 43),
    )  # fmt: skip
    return trial(versions=versions, guardrails=(bad,))


def text(html: bytes) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.decode())).split())


class OneSnapshot:
    """A store of which every agent's last hour is the same."""

    async def lease(self, _name: str, _seconds: float) -> bool:
        return True

    async def snapshot(self, _agent: str) -> Snapshot:
        return Snapshot(None, Sides(), {}, 1e9, RECENT)

    async def escalations(self, _agents: object, _most: int) -> list[object]:
        return []


async def alert_words() -> str:
    store: Any = OneSnapshot()
    table = Table()
    table.install({"support": agent_named("support")})
    sources = AlertSources(store, table, Clock(lambda: 0.0, lambda: 1e9), lambda: {}, lambda: None)
    (alert,) = await sources.over_all()
    return alert.reason


def said(status: StatusView, agent: AgentView, alert: str = "") -> dict[str, str]:
    """The words of each surface."""
    failing = first_failure(status, ("failing", "falling_back"))
    return {
        "alert": alert,
        "overview": text(document(overview(status))),
        "page": text(document(page_of(agent, history()))),
        "status": "\n".join(row.text for row in status_rows(status, "http://127.0.0.1:8080")),
        "explain": "\n".join(explain("support", agent)),
        "fail-on": failing[1] if failing else "",
    }


@pytest.mark.parametrize("unanswered", [29, 1])
async def test_a_percentage_is_the_quotient_of_the_counts_beside_it(unanswered: int) -> None:
    """On the pages, in the status, in what makes a cron job fail; whether clients are hurt or saved by a fallback."""
    agent = hurt()
    recents = {name: replace(each, unanswered=unanswered) for name, each in agent.versions["v1"].recent.items()}
    agent = replace(agent, versions={name: replace(each, recent=recents) for name, each in agent.versions.items()})
    status = view({"support": agent})
    found = {surface: BESIDE.findall(words) for surface, words in said(status, agent, await alert_words()).items()}
    assert all(found[surface] for surface in ("alert", "overview", "page", "status", "fail-on"))
    for surface, triples in found.items():
        for share, some, of in triples:
            quotient = int(some.replace(",", "")) / int(of.replace(",", ""))
            assert share == percentage(quotient), (surface, share, some, of)


def test_no_error_rate_stands_without_its_counts() -> None:
    """`23 %` of what: the errors of each version, now and in all, have them on every surface."""
    agent = hurt()
    for surface, words in said(view({"support": agent}), agent).items():
        for rate in (percentage(51 / 58), percentage(155 / 183)):
            assert words.count(rate) == len(re.findall(rf"{rate} \(?\d+ of \d+", words)), (surface, rate)


def test_the_rates_of_a_view_are_those_of_its_counts() -> None:
    """What JSON calls `error_rate` leaves out what says nothing of the version, as the words do."""
    recent = hurt().versions["v1"].recent["1m"]
    assert recent.error_rate == recent.errors / recent.judged
    assert (recent.unanswered_rate, recent.failing_rate) == (29 / 68, 51 / 68)


@pytest.mark.parametrize("state", STATES)
def test_the_pictures_of_the_documentation_add_up(state: str) -> None:
    """Each page that a test or a screenshot shows."""
    for share, some, of in BESIDE.findall(text(document(STATES[state]()))):
        assert share == percentage(int(some.replace(",", "")) / int(of.replace(",", "")))
