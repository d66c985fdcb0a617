"""Bodies of notices in the forms that receivers read: JSON, Slack, PagerDuty's Events API v2, and Teams."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.rollout.status_words import main_reason
from gateway.store.seam import Notice

NoticeFormat = Literal["json", "slack", "pagerduty", "teams"]
Body = Mapping[str, object]

_MISCONFIGURED, _RETIREMENT = "misconfigured", "retirement"
_LONGEST_SUMMARY = 1000  # characters; PagerDuty takes 1024
_CRITICAL = frozenset({"stable_failing", "provider_key_refused"})
_GOOD_NEWS = frozenset({"complete", "advance", "start", "resume", "approve"})


def payload(notice: Notice, form: NoticeFormat, page: str = "", routing_key: str = "") -> Body:
    """Return the body to send. `page` is the address of the status page, '' where the configuration has none."""
    return _WRITERS[form](notice, page, routing_key)


def page_of(public_url: str, agent: str, known: bool) -> str:
    """Return the address of an agent's status page, or of the overview; '' without a public URL."""
    return f"{public_url}/status/{agent}" if public_url and known else public_url and f"{public_url}/status"


def sentence(event: Mapping[str, Any]) -> str:
    """Return what happened, for people."""
    if "alert" in event:
        state = "" if event["state"] == "firing" else " is over"
        return f"{event['agent']}: {str(event['action']).replace('_', ' ')}{state}. {event['reason']}."
    if event["action"] in (_MISCONFIGURED, _RETIREMENT):
        return f"{event['agent']}: {event['reason']}"
    canary = (event.get("canary") or {}).get("version", "the canary")
    what = f"{event['agent']}: {str(event['action']).replace('_', ' ')} of {canary} by {event['actor']}"
    cause = f". Most often: {found}" if (found := main_reason(event.get("evidence") or {})) else ""
    return f"{what} (epoch {event['epoch_after']}). {event['reason']}{cause}"


def _json(notice: Notice, page: str, _routing_key: str) -> Body:
    """The event with its key, and the page."""
    return {"key": notice.key, **notice.event, **({"url": page} if page else {})}


def _slack(notice: Notice, page: str, _routing_key: str) -> Body:
    """A text that Slack and similar services show."""
    text = _escaped(" ".join(filter(None, (sentence(notice.event), notice.event.get("do")))))
    return {"text": f"{text} <{page}|Status>" if page else text}


def _pagerduty(notice: Notice, page: str, routing_key: str) -> Body:
    """An event of PagerDuty's Events API v2: what is over is resolved under the key that it was triggered with."""
    event = notice.event
    alert = event.get("alert")
    if alert is not None and event["state"] == "over":
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": f"serinus:{alert}"}
    action = str(event["action"])
    severity = "critical" if action in _CRITICAL else "info" if action in _GOOD_NEWS else "warning"
    details = {name: event[name] for name in ("reason", "do", "subject", "actor") if name in event}
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": f"serinus:{alert or notice.key}",
        "payload": {
            "summary": sentence(event)[:_LONGEST_SUMMARY],
            "source": str(event["agent"]),
            "severity": severity,
            "timestamp": _time(event).isoformat(timespec="milliseconds"),
            "component": "serinus",
            "class": action,
            "custom_details": details,
        },
        **({"links": [{"href": page, "text": "Status"}]} if page else {}),
        "client": "Serinus",
    }


def _teams(notice: Notice, page: str, _routing_key: str) -> Body:
    """An adaptive card, as webhooks of Teams' workflows take it."""
    event = notice.event
    texts = [sentence(event), str(event.get("do") or ""), f"{_time(event):%d %B %H:%M} UTC"]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": _plain(text), "wrap": True} for text in texts if text],
        **({"actions": [{"type": "Action.OpenUrl", "title": "Status", "url": page}]} if page else {}),
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


_WRITERS: Mapping[NoticeFormat, Callable[[Notice, str, str], Body]] = {
    "json": _json, "slack": _slack, "pagerduty": _pagerduty, "teams": _teams,
}  # fmt: skip


def _time(event: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(event["at"]), UTC)


def _escaped(text: str) -> str:
    """Text in which Slack sees no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """Text in which a card sees no Markdown."""
    return "".join(f"\\{sign}" if sign in "\\[]*_`#<>" else sign for sign in text)
