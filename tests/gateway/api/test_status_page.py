"""The status page: everything that anybody may have written is text on it, and nothing else."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.api.status_page import status_page
from gateway.rollout.status_view import ConfigView, StatusView, StoreView
from tests.support.views import FINDING, agent_view, status_view, with_every_text

HOSTILE = "</style><script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;${replica}"


def view(**agent: Any) -> StatusView:
    """A status with one agent; `agent` says what differs."""
    return status_view(agent_view(**agent))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_on_the_page_is_obeyed() -> None:
    """Every text is hostile, names too: no element of it comes to life, and none is dropped."""
    page = status_view(agent_view(waits_for=("",), unpriced=("",), signals=(FINDING,)), circuits={"": ""})
    page = replace(page, gateway=replace(page.gateway, config=ConfigView("", "", ""), store=StoreView("", False, "")))
    html = status_page(with_every_text(page, HOSTILE)).decode()
    parser = _Tags()
    parser.feed(html)
    assert not {"script", "img"} & {tag for tag, _ in parser.tags}
    assert not [name for _, attributes in parser.tags for name in attributes if name.startswith("on")]
    assert "alert" in html and "${replica}" in html


def test_the_page_needs_no_script_and_one_stylesheet() -> None:
    """What its content security policy allows is all that it asks for."""
    parser = _Tags()
    parser.feed(status_page(view()).decode())
    assert [attributes.get("href") for tag, attributes in parser.tags if tag == "link"] == ["status.css"]
    assert not [attributes for _, attributes in parser.tags if "style" in attributes or "src" in attributes]


def test_numbers_are_for_people() -> None:
    """Percentages, seconds and dollars; a dash where nothing is known."""
    text = re.sub(r"<[^>]+>", " ", status_page(view()).decode())
    for shown in ("12,345", "0.06%", "0.123 s", "1.5 s", "$1.2500", "1.235e+06", "10000", "50 %", "87.50%", " - "):
        assert shown in text
    assert "rolled back" in text and "by controller (roll back)" in text


def test_an_agent_without_a_trial_is_shown() -> None:
    """No phase, no canary, and not even a record yet."""
    nothing: dict[str, Any] = {"phase": None, "canary": None, "changed_at": None, "last_decision": None, "step": 0}
    page = status_page(view(**nothing, guardrails=())).decode()
    assert "no canary" in page and "changed at -" in page and "step" not in page and "signal" not in page


def test_why_a_rollout_waits_is_shown() -> None:
    """Its step, what a person did, each reason, and the signals below the guardrails."""
    signal = replace(FINDING, text="cost <= stable * 1.05", unit="usd", stable=0.0123456)
    page = status_page(view(pinned=True, waits_for=("it is pinned", "9 < 10"), signals=(signal,))).decode()
    assert "step 1 of 2, pinned" in page and "<li>it is pinned</li><li>9 &lt; 10</li>" in page
    assert "<th>signal</th>" in page and "<td>$0.0123</td>" in page


@pytest.mark.parametrize(
    ("trouble", "shown"),
    [
        ({"config": ConfigView("", "", "routing.yaml:4: unknown version")}, "routing.yaml:4"),
        ({"store": StoreView("redis", False, "no route")}, "redis, away: no route"),
        ({"circuits": {"openai/gpt-4o": "half_open"}}, "openai/gpt-4o half open"),
    ],
)
def test_trouble_is_shown(trouble: dict[str, Any], shown: str) -> None:
    """A refused configuration, a store that is away, a target that is left alone."""
    assert shown in status_page(status_view(**trouble)).decode()


def test_targets_without_a_price() -> None:
    """One line says which targets are missing from the costs; without any there is none."""
    line = "no known price, not in the costs: house/&lt;m&gt;, house/n"
    assert line in status_page(view(unpriced=("house/<m>", "house/n"))).decode()
    assert "no known price" not in status_page(view()).decode()


def test_what_is_no_evidence_is_said() -> None:
    """In the words of `explain`: openings that many share, and calls of conversations from before the trial."""
    versions = {"v1": replace(agent_view().versions["v1"], held=3)}
    page = status_page(view(openings="90% begin with <hi>", versions=versions)).decode()
    assert "<p>90% begin with &lt;hi&gt;</p>" in page and "or were moved: v1 3.</p>" in page
    assert "no evidence" not in status_page(view()).decode()


def test_who_is_excluded_is_shown() -> None:
    """With what the next edit means."""
    kept_from = "the canary is kept from one caller (c7); the edit that makes v2 stable gives it to them, too"
    assert f"<p>{kept_from}</p>" in status_page(view(phase="completed", excluded=kept_from)).decode()
    assert "<p>all go to v1</p>" in status_page(view(phase="running", measure_here="all go to v1")).decode()
