"""`serinus status`, `explain`, `audit`, `rollout` and `escalations`: what they print, and their exit codes."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway import ENV_FILE
from gateway.cli import keys, review, status, wait
from gateway.cli.client import THE_ANSWER_IS_NO, CommandRefused, Misused, NoSuchAgent, Operator, Overtaken, is_local
from gateway.cli.costs import print_costs
from gateway.cli.defaults import default_folder
from gateway.cli.judge import run_judge
from gateway.cli.output import TextRow, print_json, print_rows
from gateway.cli.render import describe_escalation, explain
from gateway.cli.report import write_report
from gateway.cli.status_text import condition_style, status_page
from gateway.cli.timeline import timeline
from gateway.cli.traces import forget, print_conversations, print_trace
from gateway.number_words import weight
from gateway.pages.condition import agent_condition
from gateway.terminal import is_terminal, one_line, printable

WELL = 0
_MOST_NAMES = 20
_TOKEN = "SERINUS_ADMIN_TOKEN"  # noqa: S105 - the variable's name


def run(command: str, given: argparse.Namespace) -> int:
    """Run the command of that name; its exit code."""
    try:
        found = find_token(given.url, os.environ)
        operator = Operator(given.url, found.token, found.problem)
        try:
            return _COMMANDS[command](operator, given)
        except NoSuchAgent as error:
            raise CommandRefused(f"{error}{_meant(operator, getattr(given, 'agent', None))}") from None
    except CommandRefused as error:
        return complain(error)


def _meant(operator: Operator, name: str | None) -> str:
    """Return which agent was meant, perhaps, and else which there are; '' where the gateway does not say."""
    from difflib import get_close_matches

    with suppress(CommandRefused):
        known = operator.agents()
        near = get_close_matches(name or "", known, n=1)
        names = ", ".join(known[:_MOST_NAMES]) + (", …" if len(known) > _MOST_NAMES else "")
        return f"; did you mean {near[0]!r}?" if near else f"; known: {names or 'none'}"
    return ""


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


def print_audit(operator: Operator, agent: str, *, as_json: bool) -> int:
    """`serinus audit AGENT [--json]`: one line an event, newest first."""
    events = operator.audit(agent).events
    if as_json:
        for event in events:
            print(json.dumps(event))
        return WELL
    print_rows([*timeline(events), TextRow(), TextRow(f"page: {status_page(operator.url, agent)}", "cyan")])
    return WELL


def print_escalations(operator: Operator, agent: str | None, *, as_json: bool) -> int:
    """`serinus escalations [AGENT] [--json]`: one line a conversation, newest first."""
    for each in operator.escalations(agent):
        print(json.dumps(asdict(each)) if as_json else one_line(describe_escalation(each)))
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
    print(printable(f"{agent}: {after.phase}, weight {weight(after.weight)}, epoch {after.epoch}"))
    if after.reason not in ("", command["reason"]):  # the gateway has added what the command does beside
        print(one_line(f"  {after.reason}"))
    print_rows([TextRow(f"page: {status_page(operator.url, agent)}", "cyan")])
    return WELL


def print_explanation(operator: Operator, agent: str, *, as_json: bool) -> int:
    """`serinus explain AGENT [--json]`: why the rollout stands where it stands, in plain words."""
    view = operator.agent(agent)
    sentences, condition, page = explain(agent, view), agent_condition(view), status_page(operator.url, agent)
    if as_json:
        print_json({"agent": agent, "condition": condition.level, "sentences": sentences, "page": page})
        return WELL
    first, *others = map(one_line, sentences)  # a decision's reason may have lines of its own
    print_rows([TextRow(first, condition_style(condition.level)), *map(TextRow, others)])
    print_rows([TextRow(f"page: {page}", "cyan")])
    return WELL


def complain(error: CommandRefused) -> int:
    """Print why the command failed; its exit code."""
    print(printable(str(error)), file=sys.stderr)
    return error.code


def _audit(operator: Operator, given: argparse.Namespace) -> int:
    if given.verify:
        return print_verification(operator, given.agent)
    return print_audit(operator, given.agent, as_json=given.json)


def _explain(operator: Operator, given: argparse.Namespace) -> int:
    return print_explanation(operator, given.agent, as_json=given.json)


def _escalations(operator: Operator, given: argparse.Namespace) -> int:
    match given.what, given.message:
        case ["reply", call_id], str(message):
            return do_reply(operator, call_id.strip(), message, given.actor)
        case [] | [_], None:
            return print_escalations(operator, *(given.what or [None]), as_json=given.json)
    raise Misused("say 'escalations', 'escalations AGENT' or 'escalations reply CALL_ID --message TEXT'")


def _rollout(operator: Operator, given: argparse.Namespace) -> int:
    members = ("actor", "reason", "weight", "metric", "to", "without_evaluation")
    asked = {name: getattr(given, name) for name in members}
    command = {name: value for name, value in asked.items() if value is not None}
    if given.verb == "promote" and "to" not in command and _goes_to_end(operator, given.agent, is_agreed=given.yes):
        command["to"] = "end"
    return do_verb(operator, given.agent, given.verb, command)


def _goes_to_end(operator: Operator, name: str, *, is_agreed: bool) -> bool:
    """Return whether a plain weight is promoted to every call, which a person must have agreed to. Raises Misused."""
    try:
        agent = operator.agent(name)
    except Misused:  # of another version: the gateway itself refuses what was not agreed to
        return is_agreed
    plain = len(agent.steps) == 1 and agent.steps[0].hold_seconds is None
    if agent.canary is None or not plain or agent.phase not in ("running", "paused"):
        return False
    if is_agreed:
        return True
    now = f"{agent.canary.version} gets {weight(agent.weight)}, and a plain weight has no next step"
    if not is_terminal(sys.stdin) or not is_terminal(sys.stdout):
        raise Misused(f"{now}; to serve every call of {name} from it, say --yes or --to-end")
    answer = input(printable(f"{now}.\nServe every call of {name} from {agent.canary.version}? [y/N] "))
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandRefused("nothing was changed")
    return True


_COMMANDS: Mapping[str, Callable[[Operator, argparse.Namespace], int]] = {
    "status": status.run, "wait": wait.run, "audit": _audit, "explain": _explain, "escalations": _escalations,
    "rollout": _rollout, "costs": print_costs, "report": write_report,
    "trace": print_trace, "conversations": print_conversations, "forget": forget,
    "review": review.run, "keys": keys.run, "judge": run_judge,
}  # fmt: skip
