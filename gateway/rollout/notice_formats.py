"""Bodies of notices in the forms that receivers read: JSON, Slack, PagerDuty's Events API v2, and Teams."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.rollout.status_words import main_reason
from gateway.store.seam import Notice
from gateway.views import timestamp

NoticeFormat = Literal["json", "slack", "pagerduty", "teams"]
Body = Mapping[str, object]

ALL_AGENTS = "all agents"  # in place of an agent where a notice is about the gateway
_PAGE_HELP = "set public_url in gateway.yaml for a link"
_MISCONFIGURED, _RETIREMENT = "misconfigured", "retirement"
_LONGEST_SUMMARY = 1000  # characters; PagerDuty takes 1024
_CRITICAL = frozenset({"stable_failing", "provider_key_refused"})
_GOOD_NEWS = frozenset({"complete", "advance", "start", "resume", "approve"})


def payload(notice: Notice, form: NoticeFormat, page: str = "", routing_key: str = "") -> Body:
    """Return the body to send. `page` is the address of the status page, or its path without a public URL."""
    return _WRITERS[form](notice, page, routing_key)


def page_of(public_url: str, agent: str, known: bool) -> str:
    """Return the address of an agent's status page, or of the overview; without a public URL its path."""
    return f"{public_url}/status/{agent}" if known else f"{public_url}/status"


def sentence(event: Mapping[str, Any]) -> str:
    """Return what happened, for people."""
    if "alert" in event:
        is_firing = event["state"] == "firing"
        is_of_provider = str(event["action"]).startswith("provider_")  # which not every agent need use
        named = event["subject"] if is_of_provider and event["agent"] == ALL_AGENTS else event["agent"]
        return f"{named}: {str(event['action']).replace('_', ' ')}{'.' if is_firing else ' is over'} {event['reason']}."
    if event["action"] in (_MISCONFIGURED, _RETIREMENT):
        return f"{event['agent']}: {event['reason']}"
    canary = (event.get("canary") or {}).get("version", "the canary")
    what = f"{event['agent']}: {str(event['action']).replace('_', ' ')} of {canary} by {event['actor']}"
    cause = f". Most often: {found}" if (found := main_reason(event.get("evidence") or {})) else ""
    return f"{what} (epoch {event['epoch_after']}). {event['reason']}{cause}"


def _json(notice: Notice, page: str, _routing_key: str) -> Body:
    """The event with its key and the page. A decision's is its audit event; an alert has its times in RFC 3339."""
    event = notice.event
    times = {name: timestamp(float(event[name])) for name in ("at", "since") if "since" in event}
    found = {"url": page} if _is_address(page) else {"page": page, "page_help": _PAGE_HELP}
    do = {"do": step} if (step := _next_step(event)) else {}
    return {"key": notice.key, **notice.event, **do, **times, **(found if page else {})}


def _slack(notice: Notice, page: str, _routing_key: str) -> Body:
    """A text that Slack and similar services show."""
    text = _escaped(" ".join(filter(None, _texts(notice.event, page))))
    return {"text": f"{text} <{page}|Status>" if _is_address(page) else text}


def _pagerduty(notice: Notice, page: str, routing_key: str) -> Body:
    """An event of PagerDuty's Events API v2: what is over is resolved under the key that it was triggered with."""
    event = notice.event
    alert = event.get("alert")
    if alert is not None and event["state"] == "over":
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": f"serinus:{alert}"}
    action = str(event["action"])
    severity = "critical" if action in _CRITICAL else "info" if action in _GOOD_NEWS else "warning"
    details = {name: event[name] for name in ("reason", "subject", "actor") if name in event}
    details |= {name: text for name, text in (("do", _next_step(event)), ("page", _path(page))) if text}
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
        **({"links": [{"href": page, "text": "Status"}]} if _is_address(page) else {}),
        "client": "Serinus",
    }


def _teams(notice: Notice, page: str, _routing_key: str) -> Body:
    """An adaptive card, as webhooks of Teams' workflows take it."""
    event = notice.event
    texts = _texts(event, page)
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": _plain(text), "wrap": True} for text in texts if text],
        **({"actions": [{"type": "Action.OpenUrl", "title": "Status", "url": page}]} if _is_address(page) else {}),
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


_WRITERS: Mapping[NoticeFormat, Callable[[Notice, str, str], Body]] = {
    "json": _json, "slack": _slack, "pagerduty": _pagerduty, "teams": _teams,
}  # fmt: skip


def _texts(event: Mapping[str, Any], page: str) -> list[str]:
    """Return what happened, what to do, where to look and when it was, each a sentence."""
    happened = sentence(event)
    ended = happened if happened.endswith(".") else f"{happened}."
    when = f"{_time(event):%d %B %H:%M} UTC" if "at" in event else ""
    return [ended, _next_step(event), _path(page), when]


def _next_step(event: Mapping[str, Any]) -> str:
    """Return what to do about it; '' where nothing is to be done."""
    if event.get("state") == "over":
        return ""
    usual = f"Run 'serinus explain {event['agent']}'." if event["action"] == "roll_back" else ""
    return str(event.get("do") or usual)


def _is_address(page: str) -> bool:
    return bool(page) and not page.startswith("/")


def _path(page: str) -> str:
    """Return where the page is and how it becomes a link; '' where it is one."""
    return f"Status page: {page} ({_PAGE_HELP})." if page and not _is_address(page) else ""


def _time(event: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(event["at"]), UTC)


def _escaped(text: str) -> str:
    """Text in which Slack sees no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """Text in which a card sees no Markdown."""
    return "".join(f"\\{sign}" if sign in "\\[]*_`#<>" else sign for sign in text)
