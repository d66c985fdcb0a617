"""`serinus status`, `rollout`, `audit` and `escalations`: what an operator asks of a running gateway, over HTTP."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

WELL, THE_ANSWER_IS_NO, WRONG_USAGE = 0, 1, 2
_TIMEOUT_SECONDS = 10.0


class Refused(Exception):
    """The gateway said no, or was not there."""

    code = THE_ANSWER_IS_NO


class Overtaken(Refused):
    """Someone was faster. `state` is where the agent stands now, as `/status` has it; None where it was not said."""

    def __init__(self, message: str, state: Mapping[str, Any] | None) -> None:
        super().__init__(message)
        self.state = state


class Misused(Refused):
    """It was not asked at all, because it cannot be asked like this."""

    code = WRONG_USAGE


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: the token is for the gateway that was named, and for nobody else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


_open = build_opener(ProxyHandler({}), _Stay()).open


class Operator:
    """Speaks to one gateway. `token` is the admin token, '' where none is needed."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def status(self, agent: str | None) -> Any:
        """The status of all agents or of one. Raises Refused."""
        return self._ask("GET", f"/status/{quote(agent, safe='')}" if agent else "/status")

    def audit(self, agent: str, *, whole: bool = False) -> Any:
        """The latest audit `events` of an agent, or the whole trail, newest first; and `seen`. Raises Refused."""
        return self._ask("GET", f"/audit/{quote(agent, safe='')}{'?all=true' if whole else ''}")

    def verb(self, agent: str, verb: str, order: Mapping[str, str]) -> Any:
        """Do it, from the epoch that stands now; the agent's new status. Raises Refused, and Overtaken where the record
        has moved on in the meantime."""
        epoch = self.status(agent)["agents"][agent]["epoch"]
        path = f"/admin/agents/{quote(agent, safe='')}/{verb}"
        return self._ask("POST", path, order, {"if-match": str(epoch)})

    def escalations(self, agent: str | None) -> Any:
        """The latest conversations that went to people, of all agents or of one, newest first. Raises Refused."""
        chosen = f"?agent={quote(agent, safe='')}" if agent else ""
        return self._ask("GET", f"/v1/escalations{chosen}")["escalations"]

    def reply(self, call_id: str, message: str, actor: str) -> Any:
        """Answer the conversation that this call handed over; the conversation, with the reply. Raises Refused."""
        path = f"/v1/escalations/{quote(call_id, safe='')}/reply"
        return self._ask("POST", path, {"message": message, "actor": actor})

    def _ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        if not self._url.startswith(("http://", "https://")):
            raise Misused(f"{self._url!r} is no http(s) URL")
        data = None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **self._headers, **(headers or {})}
        try:
            request = Request(self._url + path, data, sent, method=method)  # noqa: S310 - the scheme was looked at
            with _open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return _object(answer.read())
        except HTTPError as error:
            raise _refusal(error) from None
        except (URLError, OSError) as error:
            raise Refused(f"no gateway answers at {self._url}: {getattr(error, 'reason', error)}") from None
        except (HTTPException, ValueError) as error:  # also of what cannot be sent: an odd port, a token in Cyrillic
            raise Misused(f"cannot ask a gateway at {self._url!r}: {str(error).strip()}") from None


def print_status(operator: Operator, agent: str | None, *, as_json: bool) -> int:
    """`serinus status [AGENT] [--json]`."""
    view = operator.status(agent)
    print(json.dumps(view, indent=2) if as_json else _printable(describe(view)))
    return WELL


def print_audit(operator: Operator, agent: str) -> int:
    """`serinus audit AGENT`: one JSON line an event, newest first."""
    for event in operator.audit(agent)["events"]:
        print(json.dumps(event))
    return WELL


def print_escalations(operator: Operator, agent: str | None) -> int:
    """`serinus escalations [AGENT]`: one line a conversation, newest first."""
    for each in operator.escalations(agent):
        print(_printable(_escalation(each)).replace("\n", "\\n"))
    return WELL


def do_reply(operator: Operator, call_id: str, message: str, actor: str) -> int:
    """`serinus escalations reply CALL_ID --message …`."""
    agent = operator.reply(call_id, message, actor)["agent"]
    print(_printable(f"later turns of that conversation with {agent} will see it"))
    return WELL


def _escalation(handed: Mapping[str, Any]) -> str:
    reply = handed["reply"]
    if reply is None:
        state = "waits for a reply"
    else:
        seen = f"seen at {reply['delivered_at']}" if reply["delivered_at"] else "not seen yet"
        state = f"{reply['actor']} replied at {reply['at']}, {seen}"
    return f"{handed['at']}  {handed['call_id']}  {handed['agent']} {handed['version']}: {state}"


def print_verification(operator: Operator, agent: str) -> int:
    """`serinus audit AGENT --verify`: what is wrong with the chain of events; exit code 1 if anything is."""
    from gateway.store.audit_chain import (  # the store's client is slow to import, and nothing else here needs it
        missing,
        verify,
    )

    trail = operator.audit(agent, whole=True)
    events = trail["events"][::-1]
    problems = verify(events) + missing(events, [(link["epoch"], link["hash"]) for link in trail.get("seen", ())])
    epoch = operator.status(agent)["agents"][agent]["epoch"]
    if events and events[-1]["epoch_after"] != epoch:
        problems.append(f"the record is at epoch {epoch}, the last event at {events[-1]['epoch_after']}")
    print("\n".join(problems) or f"{agent}: {len(events)} events, one whole chain up to epoch {epoch}")
    return THE_ANSWER_IS_NO if problems else WELL


def do_verb(operator: Operator, agent: str, verb: str, order: Mapping[str, str]) -> int:
    """`serinus rollout VERB AGENT --reason …`; `order` says who, why, and what the verb needs besides."""
    try:
        after = operator.verb(agent, verb, order)
    except Overtaken as overtaken:
        now = explain(agent, overtaken.state) if overtaken.state else []
        raise Refused("\n".join(["Nothing was done, because someone was faster.", str(overtaken), *now])) from None
    print(f"{agent}: {after['phase']}, weight {after['weight']:.2%}, epoch {after['epoch']}")
    return WELL


def print_explanation(operator: Operator, agent: str) -> int:
    """`serinus explain AGENT`: why the rollout stands where it stands, in plain words."""
    print(_printable("\n".join(explain(agent, operator.status(agent)["agents"][agent]))))
    return WELL


def complain(error: Refused) -> int:
    """Say why it did not work."""
    print(_printable(str(error)), file=sys.stderr)
    return error.code


def describe(view: Mapping[str, Any]) -> str:
    """The status for a terminal."""
    gateway = view["gateway"]
    store = f"{gateway['store']['backend']} {'ok' if gateway['store']['ok'] else 'AWAY'}"
    lines = [f"serinus {gateway['version']}, replica {gateway['replica']}, store {store}"]
    if why := gateway["store"].get("error"):
        lines.append(why)
    if error := gateway["config"]["error"]:
        lines += ["configuration refused, the old one serves:", error]
    for name, agent in view["agents"].items():
        lines += ["", *_describe_agent(name, agent)]
    return "\n".join(lines)


def _describe_agent(name: str, agent: Mapping[str, Any]) -> list[str]:
    phase = agent["phase"] or "no canary"
    lines = [f"{name}: {phase}, canary at {agent['weight']:.2%}, epoch {agent['epoch']}", f"  {agent['reason']}"]
    for version, sums in agent["versions"].items():
        rate = "-" if sums["error_rate"] is None else f"{sums['error_rate']:.2%}"
        cost = "-" if sums["cost_per_request_usd"] is None else f"${sums['cost_per_request_usd']:.6f}"
        p90 = sums["latency_seconds"]["p90"]
        slow = "-" if p90 is None else f"{p90:.3g} s"
        lines.append(f"  {version:<12} {sums['requests']:>8} requests, errors {rate}, p90 {slow}, {cost} a request")
    if agent["unpriced"]:
        lines.append(f"  no known price, not in the costs: {', '.join(agent['unpriced'])}")
    for finding in agent["guardrails"]:
        lines.append(
            f"  {finding['text']:<32} {finding['verdict']}, E {finding['e_value']:.4g} of {finding['threshold']:g}"
        )
    return lines


def explain(name: str, agent: Mapping[str, Any]) -> list[str]:
    """Sentences that say where an agent's rollout stands, why, and what it waits for."""
    stable, canary = agent["stable"]["version"], agent["canary"]
    if canary is None:
        return [f"Nothing is on trial: {stable} serves every call of {name}."]
    lines = [_standing(name, agent), f"The last change was {_last(agent)}."]
    if agent["phase"] in ("running", "paused"):
        lines.append(_evidence_in_words(agent))
        lines += _outlook_in_words(agent["outlook"])
        lines += _apart_in_words(agent["versions"])
        lines += [f"It does not go on because {reason}." for reason in agent["waits_for"]]
    if agent["dismissed"]:
        lines.append(f"Dismissed by a person: {', '.join(agent['dismissed'])}.")
    if agent["phase"] == "rolled_back":
        lines.append(f"It stays out until {canary['version']} changes, or someone says 'serinus rollout retry {name}'.")
    return lines


def _standing(name: str, agent: Mapping[str, Any]) -> str:
    canary, stable = agent["canary"]["version"], agent["stable"]["version"]
    share = f"{agent['weight'] * 100:g} %"
    phase = {
        "running": f"is on trial with {share} of the traffic",
        "paused": f"stands still at {share} of the traffic",
        "rolled_back": "was taken out and gets no traffic",
        "completed": "has passed its trial and serves every call",
    }.get(agent["phase"], "waits for its trial to begin")
    step = f", step {agent['step']} of {len(agent['steps'])}" if len(agent["steps"]) > 1 else ""
    return f"{name}: {canary} {phase}, over {stable}{step}."


def _last(agent: Mapping[str, Any]) -> str:
    decision = agent["last_decision"]
    return f"{decision['action'].replace('_', ' ')} by {decision['actor']} at {decision['at']}: {decision['reason']}"


def _evidence_in_words(agent: Mapping[str, Any]) -> str:
    worst = max(agent["guardrails"], key=lambda finding: finding["e_value"], default=None)
    against = f"; most of it from {worst['text']}" if worst is not None and worst["e_value"] > 1 else ""
    return (
        f"The evidence against it is E = {agent['e_value']:.4g}; at {agent['threshold']:g} it is rolled back{against}."
    )


def _apart_in_words(versions: Mapping[str, Any]) -> list[str]:
    """Calls that say less than others: requests that a provider refused to serve, and what a circuit censored."""
    said = {
        "rejected": "The provider rejected some requests, by whosever doing",
        "censored": "Some calls are no evidence, because a target's circuit was open",
    }
    found = {name: [f"{v} {sums[name]}" for v, sums in versions.items() if sums.get(name)] for name in said}
    return [f"{said[name]}: {', '.join(counts)}." for name, counts in found.items() if counts]


def _outlook_in_words(outlook: Mapping[str, Any]) -> list[str]:
    low, high = outlook["error_ratio_low"], outlook["error_ratio_high"]
    reach = f"between {low:.2g} and {high:.2g}" if high is not None else f"at least {low:.2g}"
    lines = [f"Its error rate is {reach} times stable's (95 %, at every look)."] if low or high is not None else []
    if outlook["canary_requests_to_rollback"]:
        lines.append(
            f"If it goes on like this, about {outlook['canary_requests_to_rollback']} more canary requests prove it."
        )
    return lines


def _printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _object(body: bytes) -> Any:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("its answer is no JSON object")
    return value


def _refusal(error: HTTPError) -> Refused:
    """Why the gateway said no, in its own words where it has some."""
    said = _said(error)
    told, state = said.get("error"), said.get("state")
    message = told.get("message") if isinstance(told, dict) else None
    message = str(message or f"the gateway answered HTTP {error.code}")
    if error.code == HTTPStatus.PRECONDITION_FAILED:
        return Overtaken(message, state if isinstance(state, dict) else None)
    return Refused(message)


def _said(error: HTTPError) -> Any:
    try:
        return _object(error.read())
    except (ValueError, OSError, HTTPException):
        return {}


def run(command: str, given: argparse.Namespace) -> int:
    """Run the command of that name; its exit code."""
    try:
        return _COMMANDS[command](Operator(given.url, os.environ.get("SERINUS_ADMIN_TOKEN", "")), given)
    except Refused as error:
        return complain(error)


def _status(operator: Operator, given: argparse.Namespace) -> int:
    return print_status(operator, given.agent, as_json=given.json)


def _audit(operator: Operator, given: argparse.Namespace) -> int:
    if given.verify:
        return print_verification(operator, given.agent)
    return print_audit(operator, given.agent)


def _explain(operator: Operator, given: argparse.Namespace) -> int:
    return print_explanation(operator, given.agent)


def _escalations(operator: Operator, given: argparse.Namespace) -> int:
    match given.what, given.message:
        case ["reply", call_id], str(message):
            return do_reply(operator, call_id, message, given.actor)
        case [] | [_], None:
            return print_escalations(operator, *(given.what or [None]))
    raise Misused("say 'escalations', 'escalations AGENT' or 'escalations reply CALL_ID --message TEXT'")


def _rollout(operator: Operator, given: argparse.Namespace) -> int:
    asked = {name: getattr(given, name) for name in ("actor", "reason", "weight", "metric", "to")}
    order = {name: value for name, value in asked.items() if value is not None}
    return do_verb(operator, given.agent, given.verb, order)


_COMMANDS: Mapping[str, Callable[[Operator, argparse.Namespace], int]] = {
    "status": _status, "audit": _audit, "explain": _explain, "escalations": _escalations, "rollout": _rollout,
}  # fmt: skip
