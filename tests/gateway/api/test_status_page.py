"""The status page: everything that anybody may have written is text on it, and nothing else."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.api.status_page import status_page

HOSTILE = "</style><script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;${replica}"


def view(**agent: Any) -> dict[str, Any]:
    """A status with one agent; `agent` says what differs."""
    seconds = {"p50": 0.123456, "p90": 1.5, "p99": None}
    sums = {
        "requests": 12345, "errors": 7, "error_rate": 0.000567, "rejected": 43, "fallbacks": 1, "hedges": 2,
        "latency_seconds": seconds,
        "ttft_seconds": seconds, "cost_usd": 1.25, "cost_per_request_usd": None, "quality": 0.875, "shadow": None,
    }  # fmt: skip
    finding = {"text": "error_rate <= 20%", "verdict": "fail", "e_value": 1234567.8, "threshold": 1e4,
               "stable": None, "canary": 0.5}  # fmt: skip
    shown = {
        "phase": "rolled_back", "reason": "it failed", "stable": {"version": "v1", "digest": "d" * 64},
        "canary": {"version": "v2", "digest": "e" * 64}, "weight": 0.05, "epoch": 2,
        "changed_at": "2026-01-01T00:00:00.000Z", "versions": {"v1": sums}, "guardrails": [finding], "signals": [],
        "step": 1, "steps": [{"weight": 0.05}, {"weight": 0.5}], "pinned": False, "waits_for": [], "unpriced": [],
        "last_decision": {"actor": "controller", "action": "roll_back"}, **agent,
    }  # fmt: skip
    gateway = {
        "version": "1.0", "replica": "abc", "config": {"error": None}, "store": {"backend": "redis", "ok": True},
        "circuits": {},
    }  # fmt: skip
    return {"now": "now", "gateway": gateway, "agents": {"support": shown}}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def hostile(value: Any) -> Any:
    """The same view with every text, key and value, replaced."""
    if isinstance(value, dict):
        return {key: hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def test_nothing_on_the_page_is_obeyed() -> None:
    """Every text is hostile, names too: no element of it comes to life, and none is dropped."""
    page = view()
    page["gateway"]["config"]["error"] = page["gateway"]["circuits"]["t"] = ""
    page = hostile(page)
    page["agents"] = {
        HOSTILE: {**page["agents"]["support"], "versions": {HOSTILE: view()["agents"]["support"]["versions"]["v1"]}}
    }
    page["gateway"]["circuits"] = {HOSTILE: HOSTILE}
    html = status_page(page).decode()
    parser = _Tags()
    parser.feed(html)
    assert not {"script", "img"} & {tag for tag, _ in parser.tags}
    assert not [name for _, attributes in parser.tags for name in attributes if name.startswith("on")]
    assert "alert" in html and "${replica}" in html


def test_the_page_needs_no_script_and_one_stylesheet() -> None:
    """What its content security policy allows is all that it asks for."""
    parser = _Tags()
    parser.feed(status_page(view()).decode())
    assert [attributes.get("href") for tag, attributes in parser.tags if tag == "link"] == ["/status.css"]
    assert not [attributes for _, attributes in parser.tags if "style" in attributes or "src" in attributes]


def test_numbers_are_for_people() -> None:
    """Percentages, seconds and dollars; a dash where nothing is known."""
    text = re.sub(r"<[^>]+>", " ", status_page(view()).decode())
    for shown in ("12,345", "0.06%", "0.123 s", "1.5 s", "$1.2500", "1.235e+06", "10000", "50.00%", "87.50%", " - "):
        assert shown in text
    assert "rolled back" in text and "by controller (roll back)" in text


def test_an_agent_without_a_trial_is_shown() -> None:
    """No phase, no canary, and not even a record yet."""
    nothing: dict[str, Any] = {"phase": None, "canary": None, "changed_at": None, "last_decision": None, "step": 0}
    page = status_page(view(**nothing, guardrails=[])).decode()
    assert "no canary" in page and "changed at -" in page and "step" not in page and "signal" not in page


def test_why_a_rollout_waits_is_shown() -> None:
    """Its step, what a person did, each reason, and the signals below the guardrails."""
    signal = {**view()["agents"]["support"]["guardrails"][0], "text": "cost <= stable * 1.05", "stable": 5000.0}
    page = status_page(view(pinned=True, waits_for=["it is pinned", "9 < 10"], signals=[signal])).decode()
    assert "step 1 of 2, pinned" in page and "<li>it is pinned</li><li>9 &lt; 10</li>" in page
    assert "<th>signal</th>" in page and "<td>50.00%</td>" in page


@pytest.mark.parametrize("trouble", ["config", "store", "circuits"])
def test_trouble_is_shown(trouble: str) -> None:
    """A refused configuration, a store that is away, a target that is left alone."""
    page = view()
    page["gateway"] |= {
        "config": {"config": {"error": "routing.yaml:4: unknown version"}},
        "store": {"store": {"backend": "redis", "ok": False}},
        "circuits": {"circuits": {"openai/gpt-4o": "half_open"}},
    }[trouble]
    shown = {"config": "routing.yaml:4", "store": "redis, away", "circuits": "openai/gpt-4o half open"}[trouble]
    assert shown in status_page(page).decode()


def test_targets_without_a_price() -> None:
    """One line says which targets are missing from the costs; without any there is none."""
    line = "no known price, not in the costs: house/&lt;m&gt;, house/n"
    assert line in status_page(view(unpriced=["house/<m>", "house/n"])).decode()
    assert "no known price" not in status_page(view()).decode()
