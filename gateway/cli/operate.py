"""`serinus status`, `explain`, `audit`, `rollout` and `escalations`: what they print, and their exit codes."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway import ENV_FILE
from gateway.cli.client import THE_ANSWER_IS_NO, CommandRefused, Misused, Operator, Overtaken, is_local
from gateway.cli.defaults import default_folder
from gateway.cli.render import describe, describe_escalation, explain, printable

WELL = 0
_TOKEN = "SERINUS_ADMIN_TOKEN"  # noqa: S105 - the variable's name


def run(command: str, given: argparse.Namespace) -> int:
    """Run the command of that name; its exit code."""
    try:
        found = find_token(given.url, os.environ)
        return _COMMANDS[command](Operator(given.url, found.token, found.problem), given)
    except CommandRefused as error:
        return complain(error)


@dataclass(frozen=True, slots=True)
class FoundToken:
    """The admin token, '' where there is none; and why a file that may hold it was not read."""

    token: str
    problem: str = ""


def find_token(url: str, environ: Mapping[str, str]) -> FoundToken:
    """Find the admin token in the environment or, for a gateway on this machine, in the configuration folder's `.env`.

    A file that cannot be read holds no token; most commands need none.
    """
    path = default_folder(environ) / ENV_FILE
    if (token := environ.get(_TOKEN)) or not is_local(url) or _is_missing(path):
        return FoundToken(token or "")
    from gateway.config import ConfigProblems  # slow to import, and needed for such a file alone
    from gateway.config.env_file import read_env_file

    try:
        return FoundToken(read_env_file(path).get(_TOKEN, ""))
    except ConfigProblems as problems:
        return FoundToken("", str(problems))


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return not path.is_symlink()
    except OSError:  # a folder that this user may not search, say: whoever reads the file says why
        return False
    return False


def print_status(operator: Operator, agent: str | None, *, as_json: bool) -> int:
    """`serinus status [AGENT] [--json]`; exit code 1 while the gateway refuses its present files."""
    said = operator.status_json(agent)
    if as_json:
        print(json.dumps(said, indent=2))
    else:
        print(printable(describe(operator.read_status(said))))
    return THE_ANSWER_IS_NO if _refused_configuration(said) else WELL


def _refused_configuration(said: object) -> bool:
    """Return whether the gateway refuses its present files; False where it does not say."""
    for name in ("gateway", "config", "error"):
        said = said.get(name) if isinstance(said, dict) else None
    return bool(said)


def print_audit(operator: Operator, agent: str) -> int:
    """`serinus audit AGENT`: one JSON line an event, newest first."""
    for event in operator.audit(agent).events:
        print(json.dumps(event))
    return WELL


def print_escalations(operator: Operator, agent: str | None) -> int:
    """`serinus escalations [AGENT]`: one line a conversation, newest first."""
    for each in operator.escalations(agent):
        print(printable(describe_escalation(each)).replace("\n", "\\n"))
    return WELL


def do_reply(operator: Operator, call_id: str, message: str, actor: str) -> int:
    """`serinus escalations reply CALL_ID --message …`."""
    agent = operator.reply(call_id, message, actor).agent
    print(printable(f"later turns of that conversation with {agent} will see it"))
    return WELL


def print_verification(operator: Operator, agent: str) -> int:
    """`serinus audit AGENT --verify`: what is wrong with the chain of events; exit code 1 if anything is."""
    from gateway.store.audit_chain import (  # the store's client is slow to import, and nothing else here needs it
        missing,
        verify,
    )

    trail = operator.audit(agent, whole=True)
    events = trail.events[::-1]
    problems = verify(events) + missing(events, [(event.epoch, event.hash) for event in trail.seen])
    epoch = operator.standing(agent).epoch
    if events and (last := events[-1].get("epoch_after")) != epoch:
        problems.append(f"the record is at epoch {epoch}, the last event at {last}")
    if not trail.seen_before_start:
        place = printable(trail.seen_in or "no folder")
        print(f"nothing was recorded before this start ({place}): an earlier loss cannot be detected", file=sys.stderr)
    print("\n".join(problems) or f"{agent}: {len(events)} events, one whole chain up to epoch {epoch}")
    return THE_ANSWER_IS_NO if problems else WELL


def do_verb(operator: Operator, agent: str, verb: str, command: Mapping[str, str]) -> int:
    """`serinus rollout VERB AGENT --reason …`; `command` says who, why, and what the verb needs besides."""
    try:
        after = operator.verb(agent, verb, command)
    except Overtaken as overtaken:
        now = explain(agent, overtaken.state) if overtaken.state else []
        raise CommandRefused(
            "\n".join(["Nothing was changed: another change came first.", str(overtaken), *now])
        ) from None
    print(f"{agent}: {after.phase}, weight {after.weight:.2%}, epoch {after.epoch}")
    if after.reason not in ("", command["reason"]):  # the gateway has added what the command does beside
        print(printable(f"  {after.reason}"))
    return WELL


def print_explanation(operator: Operator, agent: str) -> int:
    """`serinus explain AGENT`: why the rollout stands where it stands, in plain words."""
    print(printable("\n".join(explain(agent, operator.agent(agent)))))
    return WELL


def complain(error: CommandRefused) -> int:
    """Print why the command failed; its exit code."""
    print(printable(str(error)), file=sys.stderr)
    return error.code


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
            return do_reply(operator, call_id.strip(), message, given.actor)
        case [] | [_], None:
            return print_escalations(operator, *(given.what or [None]))
    raise Misused("say 'escalations', 'escalations AGENT' or 'escalations reply CALL_ID --message TEXT'")


def _rollout(operator: Operator, given: argparse.Namespace) -> int:
    asked = {name: getattr(given, name) for name in ("actor", "reason", "weight", "metric", "to")}
    command = {name: value for name, value in asked.items() if value is not None}
    return do_verb(operator, given.agent, given.verb, command)


_COMMANDS: Mapping[str, Callable[[Operator, argparse.Namespace], int]] = {
    "status": _status, "audit": _audit, "explain": _explain, "escalations": _escalations, "rollout": _rollout,
}  # fmt: skip
