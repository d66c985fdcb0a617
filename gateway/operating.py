"""The commands that ask a running gateway, from their arguments to their exit codes."""

import argparse
import os
from collections.abc import Callable, Mapping

from gateway import operate
from gateway.operate import Misused, Operator, Refused


def run(command: str, given: argparse.Namespace) -> int:
    """Run the command of that name; its exit code."""
    try:
        return _COMMANDS[command](Operator(given.url, os.environ.get("SERINUS_ADMIN_TOKEN", "")), given)
    except Refused as error:
        return operate.complain(error)


def _status(operator: Operator, given: argparse.Namespace) -> int:
    return operate.print_status(operator, given.agent, as_json=given.json)


def _audit(operator: Operator, given: argparse.Namespace) -> int:
    if given.verify:
        return operate.print_verification(operator, given.agent)
    return operate.print_audit(operator, given.agent)


def _explain(operator: Operator, given: argparse.Namespace) -> int:
    return operate.print_explanation(operator, given.agent)


def _escalations(operator: Operator, given: argparse.Namespace) -> int:
    match given.what, given.message:
        case ["reply", call_id], str(message):
            return operate.do_reply(operator, call_id, message, given.actor)
        case [] | [_], None:
            return operate.print_escalations(operator, *(given.what or [None]))
    raise Misused("say 'escalations', 'escalations AGENT' or 'escalations reply CALL_ID --message TEXT'")


def _rollout(operator: Operator, given: argparse.Namespace) -> int:
    asked = {name: getattr(given, name) for name in ("actor", "reason", "weight", "metric", "to")}
    order = {name: value for name, value in asked.items() if value is not None}
    return operate.do_verb(operator, given.agent, given.verb, order)


_COMMANDS: Mapping[str, Callable[[Operator, argparse.Namespace], int]] = {
    "status": _status, "audit": _audit, "explain": _explain, "escalations": _escalations, "rollout": _rollout,
}  # fmt: skip
