"""Commands on the configuration folder: `init`, `check`, `doctor`, `simulate`, `diff`, `import` and `schema`."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.defaults import default_folder
from gateway.cli.folder import add_folder
from gateway.cli.numbers import rate, runs, seconds, times
from gateway.cli.output import Style, TextRow, add_help, add_json, colours, print_json, print_rows

_WELL, _BROKEN, _WRONG_USAGE = 0, 1, 2
_EXITS = {_WELL: "done", _WRONG_USAGE: "wrong usage or configuration"}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the parser."""
    _add_init(commands.add_parser("init", help="write a first configuration: a few small files"))
    check = commands.add_parser(
        "check", help="check the configuration; exit code 2 if it has errors, 1 if a model was retired"
    )
    add_folder(check, _check)
    _add_no_env(check)
    check.add_argument(
        "--redis-acl",
        nargs="?",
        const="serinus",
        metavar="PREFIX",
        help="print only the Redis command that creates a user with the permissions needed; for keys with another "
        "prefix than `serinus`, name it",
    )
    add_json(check, "print problems with file and line, errors and warnings as JSON")
    retired = {**_EXITS, 0: "no error", 1: "a model was retired", 2: "the configuration has errors"}
    add_help(check, "check", "check --config deploy/config --no-env --json", exits=retired)
    doctor = commands.add_parser(
        "doctor", help="ask every target for one token, look at store and clock; exit code 1 if something is broken"
    )
    add_folder(doctor, _doctor)
    add_json(doctor, "print the diagnoses as JSON")
    doctor.add_argument(
        "--timeout", type=seconds, default=20.0, metavar="SECONDS", help="time for each answer (default: 20)"
    )
    broken = {0: "all is well", 1: "something is broken", 2: "the configuration has errors"}
    add_help(doctor, "doctor", "doctor --timeout 5 --json", exits=broken)
    simulate = commands.add_parser("simulate", help="estimate how soon the guardrails would roll back such a canary")
    add_folder(simulate, _simulate)
    _add_no_env(simulate)
    _add_simulate(simulate)
    add_json(simulate, "print shares, requests and minutes of each weight as JSON")
    add_help(simulate, "simulate support --errors 3% --rps 5", "simulate support --latency +25% --no-env", exits=_EXITS)
    diff = commands.add_parser("diff", help="show what changes from one version to another, prompts by their words")
    add_folder(diff, _diff)
    diff.add_argument("agent", help="the agent's name")
    diff.add_argument("before", metavar="VERSION", help="the version to compare with")
    diff.add_argument("after", metavar="VERSION", help="the version that may have changed")
    add_json(diff, "print the parts before and after, and the words of prompts, as JSON")
    add_help(diff, "diff support v1 v2", "diff support v1 v2 --json", exits=_EXITS)
    _add_import(commands.add_parser("import", help="make a version of another tool's prompt"))
    schema = commands.add_parser("schema", help="write the JSON schemas of the configuration files")
    schema.add_argument("folder", type=Path, help="output folder")
    schema.set_defaults(run=_schema)
    add_help(schema, "schema config/schema", exits=_EXITS)


def _add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument("what", choices=("prompt",), help="what to import")
    command.add_argument("file", type=Path, help=".prompt, .prompty, or JSON of Langfuse or OpenAI")
    command.add_argument("--model", help="provider/model of the version (default: as the file says)")
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write the version's YAML (default: prints it)"
    )
    command.set_defaults(run=_import)
    exits = {0: "done; what is left out is said", 1: "something cannot be kept: nothing was written", 2: "wrong usage"}
    out = "import prompt welcome.prompty --out config/agents/support/v1.yaml"
    add_help(command, out, "import prompt pmpt_68a1.json --model openai/gpt-5", exits=exits)


def _add_init(init: argparse.ArgumentParser) -> None:
    init.add_argument("--provider", help="the provider's preset, such as openai or ollama (default: asks)")
    init.add_argument("--model", help="the provider's model (default: asks)")
    init.add_argument("--agent", default="assistant", help="what clients send as `model` (default: assistant)")
    init.add_argument("--yes", action="store_true", help="ask nothing; take the defaults")
    init.add_argument(
        "--config", type=Path, default=default_folder(os.environ), metavar="DIR",
        help="folder to write into (default: config/, or SERINUS_CONFIG); what exists is not overwritten",
    )  # fmt: skip
    init.set_defaults(run=_init)
    add_help(init, "init", "init --provider openai --model gpt-5.4-mini --yes", exits=_EXITS)


def _init(given: argparse.Namespace) -> int:
    from gateway.cli.init import run

    return run(given)


def _add_no_env(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-env",
        action="store_true",
        help="take every ${VARIABLE} as set, whatever the environment holds; for CI, which has no keys",
    )


def _add_simulate(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("agent", help="the agent's name")
    simulate.add_argument(
        "--stable-errors", type=rate, default=0.01, help="stable's share of failing calls (default: 1%%)"
    )
    simulate.add_argument(
        "--errors", type=rate, default=0.01, help="the canary's share of failing calls, such as 3%% (default: 1%%)"
    )
    simulate.add_argument(
        "--stable-rejections", type=rate, default=0.01, help="stable's share of rejected calls (default: 1%%)"
    )
    simulate.add_argument(
        "--rejections",
        type=rate,
        default=0.01,
        help="the canary's share of rejected calls, such as 100%% (default: 1%%)",
    )
    simulate.add_argument(
        "--latency", type=times, default=1.0, help="the canary's latency relative to stable's, such as +25%% or 1.25"
    )
    simulate.add_argument(
        "--cost", type=times, default=1.0, help="the canary's cost relative to stable's, such as +20%% or 1.2"
    )
    simulate.add_argument("--stable-quality", type=rate, default=0.9, help="stable's mean score (default: 0.9)")
    simulate.add_argument("--quality", type=rate, default=0.9, help="the canary's mean score (default: 0.9)")
    simulate.add_argument("--rps", type=times, default=50.0, help="calls per second of both versions (default: 50)")
    simulate.add_argument("--runs", type=runs, default=200, help="simulated rollouts per weight (default: 200)")


def _check(given: argparse.Namespace) -> int:
    if given.redis_acl:
        from gateway.store.permissions import acl_line

        print(acl_line(given.redis_acl))
        return _WELL
    from gateway.config import Deployment, check
    from gateway.config.check import check_values
    from gateway.replica.limit_warnings import limit_warnings, unpriced_budgets
    from gateway.replica.retirements import retired, retiring
    from gateway.replica.unpriced_judges import unpriced_judges
    from gateway.replica.unusable_targets import unusable_targets
    from gateway.rollout.gates import missing_suites, refused_canaries, waiting_canaries

    today, now = datetime.now(UTC).date(), datetime.now(UTC).timestamp()

    def waiting(deployment: Deployment) -> Mapping[str, str]:
        return dict(waiting_canaries(deployment.agents, now))

    def warnings(deployment: Deployment) -> Iterator[str]:
        yield from given.warnings
        yield from unusable_targets(deployment)
        yield from unpriced_judges(deployment, now)
        yield from limit_warnings(deployment, today)
        yield from unpriced_budgets(deployment, now)
        yield from retiring(deployment, today)
        yield from refused_canaries(deployment.agents, now)
        yield from missing_suites(deployment.agents, given.config)

    def errors(deployment: Deployment) -> Iterator[str]:
        return iter(retired(deployment, today))

    if given.json:
        code, found = check_values(given.config, _environ(given), warnings, errors, waiting)
        print_json(found)
        return code
    code, report = check(given.config, _environ(given), warnings, errors, waiting)
    print_rows(TextRow(line, _style(line, code)) for line in report.split("\n"))
    return code


def _style(line: str, code: int) -> Style:
    """Return the style of a line of the report."""
    if line.startswith("error: ") or (code == _WRONG_USAGE and line):
        return "red"
    return "yellow" if line.startswith("warning: ") else ""


def _doctor(given: argparse.Namespace) -> int:
    import asyncio

    from gateway.config import ConfigProblems, load
    from gateway.doctor import as_json, as_text, examine
    from gateway.terminal import printable

    try:
        deployment = load(given.config, os.environ)
    except ConfigProblems as problems:
        print(problems, file=sys.stderr)
        return _WRONG_USAGE
    examined = asyncio.run(examine(deployment, os.environ, given.timeout))
    print(as_json(examined) if given.json else printable(as_text(examined)))
    return _WELL if examined.is_well else _BROKEN


def _environ(given: argparse.Namespace) -> Mapping[str, str]:
    """Return the environment that the configuration is read with."""
    from gateway.config import AnyEnvironment

    return AnyEnvironment() if given.no_env else os.environ


def _simulate(given: argparse.Namespace) -> int:
    from gateway.cli.simulate import Assumed, UnknownAgent, as_json, as_text, simulate
    from gateway.config import ConfigProblems
    from policies.guardrails.metrics import SimulatedBehaviour

    stable = SimulatedBehaviour(given.stable_errors, given.stable_rejections, given.stable_quality)
    canary = SimulatedBehaviour(given.errors, given.rejections, given.quality, given.latency, given.cost)
    try:
        assumed = Assumed(stable, canary, given.rps, given.runs)
        found = simulate(given.config, _environ(given), given.agent, assumed)
    except (ConfigProblems, UnknownAgent) as error:
        print(error, file=sys.stderr)
        return _WRONG_USAGE
    if given.json:
        print_json(as_json(found))
    else:
        print(as_text(found))
    return _WELL


def _diff(given: argparse.Namespace) -> int:
    from gateway.cli.diff import UnknownName, as_json, as_rows, compare, painted_words
    from gateway.config import ConfigProblems

    try:
        found = compare(given.config, given.agent, given.before, given.after)
    except (ConfigProblems, UnknownName) as error:
        print(error, file=sys.stderr)
        return _WRONG_USAGE
    if given.json:
        print_json(as_json(found))
    else:
        print(painted_words(as_rows(found, colours()), colours()))
    return _WELL


def _import(given: argparse.Namespace) -> int:
    from gateway.importing.imported import first_lines
    from gateway.importing.reading import read_prompt_file
    from gateway.terminal import printable

    text, draft = read_prompt_file(given.file, given.model)
    for kind, problems in (("error", draft.refused), ("left out", draft.left_out)):
        for line in first_lines(problems):
            print(printable(f"{kind}: {line}"), file=sys.stderr)
    if draft.refused:
        return _BROKEN
    if "model" not in draft.content:
        print("note: the version needs a `model`: provider/model", file=sys.stderr)
    if given.out is None:
        print(text, end="")
        return _WELL
    try:
        with given.out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        print(f"{given.out}: {error.strerror}", file=sys.stderr)
        return _WRONG_USAGE
    return _WELL


def _schema(given: argparse.Namespace) -> int:
    from evals.suites.native_file import NativeSuite
    from gateway.config import write_schemas

    try:
        write_schemas(given.folder, {"suite": NativeSuite})
    except OSError as error:
        print(error, file=sys.stderr)
        return _WRONG_USAGE
    return _WELL
