"""Notices as receivers read them: what happened, what to do next, and a link."""

from typing import Any

import pytest

from gateway.rollout.notice_formats import NoticeFormat, page_of, payload
from gateway.store.seam import Notice

PAGE = "https://gw.example.com/status"
EVENT: dict[str, Any] = {
    "at": "1796052227.324", "agent": "all agents", "action": "provider_down", "actor": "gateway", "state": "firing",
    "alert": "provider_down:p/<m>", "subject": "p/<m>", "reason": "p/<m> has failed for 40 s", "do": "See *it*.",
    "times": 1, "since": "1796052187.0",
}  # fmt: skip


def body(form: NoticeFormat, page: str = PAGE, **more: Any) -> Any:
    return payload(Notice("", "", "key", {**EVENT, **more}), form, page, "routing")


def test_pagerduty_triggers_and_resolves() -> None:
    """Under one key, so that the incident ends by itself; with a link and a severity."""
    began, ended = body("pagerduty"), body("pagerduty", state="over")
    assert (began["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert began["dedup_key"] == ended["dedup_key"] == "serinus:provider_down:p/<m>"
    assert began["routing_key"] == ended["routing_key"] == "routing" and "payload" not in ended
    assert began["payload"]["severity"] == "warning" and began["payload"]["timestamp"].startswith("2026-11-30T")
    assert began["links"] == [{"href": PAGE, "text": "Status"}]
    assert body("pagerduty", action="stable_failing")["payload"]["severity"] == "critical"
    assert len(body("pagerduty", reason="x" * 5000)["payload"]["summary"]) <= 1024


def test_pagerduty_takes_decisions() -> None:
    """Each under the key of its notice."""
    event = {
        "at": "1796052227",
        "agent": "a",
        "action": "complete",
        "actor": "controller",
        "reason": "r",
        "epoch_after": 2,
    }
    found: Any = payload(Notice("a", "1-0", "a:2", event), "pagerduty", "", "routing")
    assert (found["dedup_key"], found["payload"]["severity"], "links" in found) == ("serinus:a:2", "info", False)


def test_slack_and_teams_say_the_next_step() -> None:
    """With a link; a name is no mention, no link and no markup there."""
    text = body("slack")["text"]
    words = "p/&lt;m&gt;: provider down. p/&lt;m&gt; has failed for 40 s. See *it*. 30 November 15:23 UTC"
    assert text == f"{words} <{PAGE}|Status>"
    card = body("teams")["attachments"][0]["content"]
    said = [block["text"] for block in card["body"]]
    assert said[0].endswith("p/\\<m\\> has failed for 40 s.") and said[1] == "See \\*it\\*." and "UTC" in said[2]
    assert card["actions"][0]["url"] == PAGE


def test_what_is_over_says_so() -> None:
    """In the sentence, not only in a member."""
    assert "provider down is over p/" in body("slack", state="over")["text"]


@pytest.mark.parametrize("form", ["slack", "teams", "pagerduty", "json"])
def test_no_address_no_link(form: NoticeFormat) -> None:
    """Where the configuration has no public URL: the path, and how to get a link."""
    pathless = str(body(form, page="/status/a")).replace("\\", "")
    assert "/status/a" in pathless and "set public_url in gateway.yaml" in pathless and "href" not in pathless
    assert "http://" not in str(body(form, page="")).replace("http://adaptivecards.io", "")
    assert page_of("", "a", True) == "/status/a" and page_of("https://x", "a", True) == "https://x/status/a"
    assert page_of("https://x", "all agents", False) == "https://x/status"


def test_json_has_times_in_rfc_3339() -> None:
    """As every other answer has them, not seconds in a text."""
    assert (body("json")["at"], body("json")["since"]) == ("2026-11-30T15:23:47.324Z", "2026-11-30T15:23:07.000Z")


def test_a_rollback_says_what_to_do_next() -> None:
    """In each format, as a sentence of its own."""
    event = {
        "at": 1796052227.0, "agent": "a", "action": "roll_back", "actor": "controller", "epoch_after": 3,
        "canary": {"version": "v2"}, "reason": "it failed",
    }  # fmt: skip
    notice, step = Notice("a", "1-0", "a:3", event), "Run 'serinus explain a'."
    assert payload(notice, "json")["do"] == step
    assert payload(notice, "slack")["text"] == (
        f"a: roll back of v2 by controller (epoch 3). it failed. {step} 30 November 15:23 UTC"
    )
    found: Any = payload(notice, "pagerduty", "", "routing")
    assert found["payload"]["custom_details"]["do"] == step
