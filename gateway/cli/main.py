"""The command `serinus`: reads its arguments and hands on. Exit codes: 0 well, 1 the answer is no, 2 wrong usage.

What only some commands need is imported when they run: an operator's `status` should not wait for a whole gateway.
"""

import argparse
import errno
import getpass
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from gateway import __version__
from gateway.cli import completion, configuration
from gateway.cli.cost_options import add_cost_options
from gateway.cli.defaults import USUAL_URL, default_url
from gateway.cli.eval_options import add_eval_options
from gateway.cli.folder import add_folder
from gateway.cli.judge_options import add_judge_options
from gateway.cli.key_options import add_key_options
from gateway.cli.numbers import LOG_FORMAT, log_format
from gateway.cli.output import USUAL_EXITS, add_help, add_json
from gateway.cli.review_options import add_review_options
from gateway.cli.status_options import add_status_options
from gateway.cli.wait_options import add_wait_options
from policies.rollout.verbs import VERBS

_CALL_ID = re.compile(r"-[A-Za-z0-9_-]{51}")
_WRONG_CHOICE = re.compile(r"invalid choice: '([^']{0,100})' \(choose from ([^()]{0,2000})\)")
_MOST_WORKERS = 256
_WELL, _WRONG_USAGE = 0, 2
_NO_EXTRA = "the extra serinus[demo] is not installed"
_UNWRITTEN = 1
_INTERRUPTED = 130  # as shells say it: 128 + SIGINT


VERB_HELP = {
    "pause": "hold the rollout: the canary keeps its weight, and nothing advances",
    "resume": "lift what holds the rollout: a pause, and exclusions, so that excluded callers get the canary again",
    "promote": "go to the next step now, without excluded callers; of a plain weight only with --to-end, which serves "
    "every call from the canary",
    "abort": "roll the canary back, for everybody; its content stays rolled back until `retry`",
    "approve": "let a step go on that waits for an approval, or a pending rollout begin (--without-evaluation)",
    "pin": "keep the present weight, whatever the steps say; guardrails still roll back",
    "unpin": "follow the steps again",
    "set-weight": "give the canary this share (--weight 25%) and pin it",
    "dismiss": "let one guardrail (--metric) decide no more in this rollout",
    "retry": "start a canary again that was rolled back, from the first step",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    given = parser.parse_args([_positional(each) for each in (sys.argv[1:] if arguments is None else arguments)])
    vars(given).update({name: _without_mark(value) for name, value in vars(given).items()})
    try:
        code: int = given.run(given) if "run" in given else completion.run(parser, given)
        sys.stdout.flush()
    except BrokenPipeError:  # `serinus status | head`: what is left in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _WELL
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"the output could not be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNWRITTEN
    return code


class _Parser(argparse.ArgumentParser):
    """A parser that says what was meant, perhaps, by a mistyped command or verb."""

    def error(self, message: str) -> NoReturn:
        if wrong := _WRONG_CHOICE.search(message):
            from difflib import get_close_matches

            near = get_close_matches(wrong[1], re.findall(r"'([^']*)'", wrong[2]), n=1)
            message += f"; did you mean {near[0]!r}?" if near else ""
        super().error(message)


def _positional(argument: str) -> str:
    """Return an argument so that a call id which begins with a hyphen is not taken for an option."""
    return f" {argument}" if _CALL_ID.fullmatch(argument) else argument


def _without_mark(value: object) -> object:
    """Return an argument's value as it was typed."""
    if isinstance(value, list):
        return [_without_mark(each) for each in value]
    return value[1:] if isinstance(value, str) and _CALL_ID.fullmatch(value[1:]) and value[0] == " " else value


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser("serinus", description="A gateway for LLM agents with canary routing.")
    parser.add_argument("--version", action="version", version=f"serinus {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serving(commands)
    _add_operating(commands)
    return parser


def _add_serving(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser("serve", help="serve calls")
    add_folder(serve, _serve)
    _add_workers(serve)
    serve.add_argument(
        "--log-format", type=log_format, metavar="FORMAT",
        help="auto, json or text; auto writes text to a terminal and JSON elsewhere (default: auto, or "
        "SERINUS_LOG_FORMAT)",
    )  # fmt: skip
    exits = {0: "ended by a signal", 1: "no worker ever became ready", 2: "wrong usage or configuration, or no port"}
    add_help(serve, "serve", "serve --workers 4 --log-format json", exits=exits)
    configuration.add_commands(commands)
    evaluation = commands.add_parser("eval", help="ask a version the cases of a suite: may it ship?")
    add_folder(evaluation, _eval)
    add_eval_options(evaluation)
    _add_standin(commands.add_parser("standin", help="run a stand-in provider to rehearse a rollout (serinus[demo])"))
    demo = commands.add_parser(
        "demo", help="demonstrate a rollback: stand-in provider, two replicas, real traffic (serinus[demo])"
    )
    demo.add_argument("--exit", action="store_true", help="exit when done; exit code 0 only if all checks passed")
    demo.set_defaults(run=_demo)
    add_help(
        demo, "demo", "demo --exit", exits={0: "all was seen that is promised", 1: "something was not", 2: _NO_EXTRA}
    )
    completion.add_arguments(commands.add_parser("completion", help="print a script that completes in your shell"))


def _add_standin(standin: argparse.ArgumentParser) -> None:
    standin.usage = "%(prog)s [--listen HOST:PORT] | load AGENT [--rps N] [--url URL]"
    standin.add_argument("what", nargs="*", metavar="load AGENT", help="send calls to a gateway in place of serving")
    standin.add_argument("--listen", default="127.0.0.1:9000", help="host:port (default: %(default)s)")
    standin.add_argument("--behaviours", type=Path, help='JSON file: {"default": {…}, "models": {"gpt-4o": {…}}}')
    standin.add_argument("--api-key", help="the key that calls need; of `load`, that it sends (default: none)")
    standin.add_argument("--rps", type=float, default=20.0, help="of load: calls per second (default: 20)")
    url = default_url(os.environ)
    standin.add_argument("--url", default=url, help=f"of load: the gateway ({USUAL_URL}, or SERINUS_URL)")
    standin.set_defaults(run=_standin)
    exits = {0: "ended by a signal", 1: "no gateway takes the calls", 2: f"wrong usage, or {_NO_EXTRA}"}
    add_help(standin, "standin --listen 127.0.0.1:9000", "standin load support --rps 20", exits=exits)


def _add_workers(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--workers", type=_count, metavar="N", default=os.environ.get("SERINUS_WORKERS") or "1",
        help="worker processes on one port, each a replica; about one per core (default: 1, or SERINUS_WORKERS)",
    )  # fmt: skip


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_WORKERS}")
    return int(text)


def _add_operating(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_status_options(_operating(commands, "status", "show the status of every agent, or of one"))
    add_wait_options(_operating(commands, "wait", "wait until a rollout is completed, rolled back, …"))
    audit = _operating(commands, "audit", "show the audit events of an agent, newest first")
    audit.add_argument("agent", help="the agent's name")
    audit.add_argument(
        "--verify", action="store_true", help="verify the chain of all events; exit code 1 if it is broken"
    )
    add_json(audit, "print one JSON object an event")
    add_help(audit, "audit support", "audit support --json", "audit support --verify")
    explain = _operating(commands, "explain", "explain in plain words the state of a rollout")
    explain.add_argument("agent", help="the agent's name")
    add_json(explain)
    add_help(explain, "explain support")
    costs = _operating(commands, "costs", "show what calls have cost, and what the month will")
    add_cost_options(costs)
    add_help(costs, "costs", "costs support --by key,model --since 7d", "costs --by day,agent --csv > costs.csv")
    add_key_options(_operating(commands, "keys", "make and rotate callers' keys; show what limits have left"))
    add_judge_options(_operating(commands, "judge", "grade recorded calls, or compare a judge with people's labels"))
    _add_report(_operating(commands, "report", "write one HTML page on an agent's rollout"))
    _add_rollout(_operating(commands, "rollout", "pause, resume, promote, abort or change a rollout"))
    _add_escalations(_operating(commands, "escalations", "list conversations handed over to people, or reply to one"))
    trace = _operating(commands, "trace", "show a conversation as a tree: calls, tools, times and costs")
    _add_traces(trace, _operating(commands, "conversations", "list the latest conversations"))
    _add_forget(_operating(commands, "forget", "delete the recorded texts of a conversation"))
    add_review_options(_operating(commands, "review", "list answers that wait for people, or export what these said"))


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument("agent", help="the agent's name")
    report.add_argument("--since", default="7d", metavar="TIME", help="how far back it reaches, 31d at most (7d)")
    report.add_argument("--out", metavar="FILE", help="where to write it, or - (report-AGENT.html)")
    add_help(report, "report support --since 30d", "report support --out -")


def _add_rollout(rollout: argparse.ArgumentParser) -> None:
    add_help(
        rollout,
        'rollout pause support --reason "the prompt names an old product"',
        'rollout set-weight support --weight 25% --reason "a quiet day"',
        exits={**USUAL_EXITS, 1: "refused, or another change came first: nothing was changed"},
        more=["verbs:", *(f"  {verb:<11} {text}" for verb, text in VERB_HELP.items())],
    )
    rollout.add_argument("verb", choices=VERBS, metavar="VERB", help=f"one of {', '.join(VERBS)}")
    rollout.add_argument("agent", help="the agent's name")
    rollout.add_argument("--reason", required=True, help="the reason, for the audit")
    rollout.add_argument("--actor", default=_me(), help="who acts, for the audit (default: you)")
    rollout.add_argument("--weight", help="for set-weight: the new weight, such as 25%%")
    rollout.add_argument("--metric", help="for dismiss: the metric, such as latency_p90")
    rollout.add_argument(
        "--to-end", action="store_const", const="end", dest="to", help="for promote: go to the last step"
    )
    rollout.add_argument(
        "--without-evaluation", action="store_const", const=True,
        help="for approve and retry: begin although no valid evaluation is on record",
    )  # fmt: skip
    rollout.add_argument(
        "--yes", action="store_true", help="for promote: serve every call from the canary of a plain weight, unasked"
    )


def _add_traces(trace: argparse.ArgumentParser, conversations: argparse.ArgumentParser) -> None:
    trace.add_argument("id", help="the id of a call, of a conversation, or the client's name for one")
    trace.add_argument("--json", action="store_true", help="print the JSON of /conversations/{id}")
    trace.add_argument("--content", action="store_true", help="show what was said, where `record_content` keeps it")
    conversations.add_argument("agent", nargs="?", help="the agent's name (default: all)")
    conversations.add_argument("--version", help="with a call that this version served")
    conversations.add_argument(
        "--unanswered", action="store_const", const="true", help="with a call that got no answer"
    )
    conversations.add_argument("--min-cost", metavar="USD", help="that cost at least so much")
    conversations.add_argument("--since", metavar="TIME", help="with a call since then: 15m, 24h, 2026-11-30T12:00Z")
    conversations.add_argument("--limit", metavar="N", help="so many at most (default: 50)")
    conversations.add_argument("--json", action="store_true", help="print the JSON of /conversations")
    add_help(trace, "trace 5f1c0a9d3e7b2468", "trace support-chat-7 --content", "trace support-chat-7 --json")
    add_help(conversations, "conversations support --unanswered --since 1h", "conversations --min-cost 0.05")


def _add_forget(forget: argparse.ArgumentParser) -> None:
    forget.add_argument("id", help="the id of a conversation, of one of its calls, or the client's name for it")
    forget.add_argument("--reason", required=True, help="the reason, for the log")
    forget.add_argument("--actor", default=_me(), help="who deletes, for the log (default: you)")
    add_json(forget)
    add_help(forget, 'forget 5f1c0a9d3e7b2468 --reason "request 4711"')


def _add_escalations(escalations: argparse.ArgumentParser) -> None:
    escalations.usage = (
        "%(prog)s [AGENT] [--json] [--url URL]\n       %(prog)s reply CALL_ID --message TEXT [--actor NAME]"
    )
    escalations.add_argument(
        "what", nargs="*", metavar="AGENT", help="list one agent's conversations; or: reply CALL_ID"
    )
    escalations.add_argument("--message", help="the reply, which the agent's later turns include")
    escalations.add_argument("--actor", default=_me(), help="who replies (default: you)")
    add_json(escalations, "print one JSON object a conversation")
    add_help(escalations, "escalations support", 'escalations reply CALL_ID --message "Your order is on its way."')


def _operating(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text)
    url = default_url(os.environ)
    command.add_argument("--url", default=url, help=f"the gateway ({USUAL_URL}, or SERINUS_URL)")
    command.set_defaults(run=partial(_operate, name))
    return command


def _operate(name: str, given: argparse.Namespace) -> int:
    from gateway.cli.operate import run

    return run(name, given)


def _serve(given: argparse.Namespace) -> int:
    for warning in given.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    try:
        form = given.log_format or log_format(os.environ.get(LOG_FORMAT) or "auto")
    except argparse.ArgumentTypeError as error:
        print(f"{LOG_FORMAT}: {error}", file=sys.stderr)
        return _WRONG_USAGE
    environ = {**os.environ, LOG_FORMAT: form}
    if given.workers > 1:
        from gateway.replica.workers.parent import serve_many

        return serve_many(given.config, environ, given.workers)
    from gateway.replica.serve import serve

    return serve(given.config, environ)


def _standin(given: argparse.Namespace) -> int:
    try:
        from gateway.rehearsal.standin.command import send, serve
    except ModuleNotFoundError as error:
        return _complain_of_missing("standin", error)
    match given.what:
        case []:
            return serve(given.listen, given.behaviours, given.api_key)
        case ["load", agent]:
            return send(given.url, agent, given.rps, given.api_key or "")
    print("say 'standin' to serve, or 'standin load AGENT' to send calls", file=sys.stderr)
    return _WRONG_USAGE


def _eval(given: argparse.Namespace) -> int:
    if (given.subject is None) == (given.changed is None):
        print("say 'eval AGENT[@VERSION]', or 'eval --changed COMMIT'", file=sys.stderr)
        return _WRONG_USAGE
    try:
        from gateway.cli.evaluate import run
    except ModuleNotFoundError as error:
        return _complain_of_missing("eval", error, "serinus[evals]")
    return run(given)


def _demo(given: argparse.Namespace) -> int:
    try:
        from gateway.rehearsal.demo import demo
    except ModuleNotFoundError as error:
        return _complain_of_missing("demo", error)
    return demo(ends=given.exit)


def _complain_of_missing(command: str, error: ModuleNotFoundError, extra: str = "serinus[demo]") -> int:
    """Say how to install what a command needs beyond a plain installation; the exit code."""
    print(f"'serinus {command}' needs an extra: pip install '{extra}' ({error})", file=sys.stderr)
    return _WRONG_USAGE


def _me() -> str:
    """The user's name; in a container the user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
