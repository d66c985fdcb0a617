"""`serinus eval`: ask a version the cases of a suite, compare it with stable, and say whether it may ship."""

import argparse
import asyncio
import os
import sqlite3
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from evals.answer import CaseAnswer
from evals.cases import Case, Suite, SuiteError
from evals.checks import CaseScore, check_problems, score_case
from evals.money import to_usd
from evals.records import who, write_record
from evals.reports import of_version, write_report
from evals.reports.document import as_json
from evals.reports.github import annotations, append_summary, is_github, without_commands
from evals.reports.terminal import shown_progress, shown_waits, text_lines
from evals.results import SuiteResult
from evals.running.cost_limit import CostLimit, LimitReached
from evals.running.judges import Judges
from evals.running.kept_answers import AnswerCache, kept_answers, usual_file
from evals.running.suite_run import RunSettings, Scorer, SuiteRun
from evals.running.targets import Targets
from evals.scorers.pools import open_evaluators
from evals.suites import read_suite
from evals.verdict.verdict import VerdictLimits
from gateway.cli.compared_versions import (
    CannotRun,
    ComparedVersions,
    changed_suite,
    changed_versions,
    check_keys,
    loosened,
    named_versions,
    read_base,
)
from gateway.cli.graders import check_graders, targets_of
from gateway.cli.output import Style, TextRow, colours, painted, print_rows
from gateway.cli.stoppable import Stopped, run_stoppable
from gateway.config import AnyEnvironment, ConfigProblems, Deployment, load
from gateway.config.suite_files import suite_file
from gateway.net.client.upstreams import Upstreams
from gateway.pricing import PriceList, PriceListFailed
from gateway.replica import wiring
from gateway.terminal import printable

_PASSED, _FAILED, _COULD_NOT_RUN = 0, 1, 2
_MOST_SHOWN: Final = 5
_STYLES: Final[Mapping[str, Style]] = {"passed": "green", "failed": "red", "too_few_cases": "yellow"}


@dataclass(frozen=True, slots=True)
class _NamedSuite:
    """A suite, its file, and how the record names it."""

    suite: Suite
    file: Path
    name: str


def run(given: argparse.Namespace) -> int:
    """Run the command; its exit code: the worst of all versions."""
    try:
        return _run(given)
    except (SuiteError, ConfigProblems, CannotRun) as error:
        print(printable(str(error)), file=sys.stderr)
    except (OSError, sqlite3.Error) as error:
        print(f"a file cannot be used: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"interrupted{_what_is_kept(given)}", file=sys.stderr)
        raise
    except Stopped as stopped:
        print(f"ended by {stopped}{_what_is_kept(given)}", file=sys.stderr)
        return stopped.exit_code
    except LimitReached as error:
        print(f"stopped: {error}", file=sys.stderr)
    return _COULD_NOT_RUN


def _what_is_kept(given: argparse.Namespace) -> str:
    return "" if given.no_cache else "; answers so far are kept"


def _run(given: argparse.Namespace) -> int:
    deployment = load(given.config, _with_any(os.environ))
    weaker: list[tuple[str, str]] = []
    if given.changed is None:
        found = [named_versions(deployment, given.subject, given.against)]
    else:
        base = read_base(given.config, given.changed)
        found = list(changed_versions(deployment, given.config, base))
        weaker = list(loosened(deployment, base))
    for _, sentence in weaker:
        _warn(sentence)
    for compared in found:
        check_keys(deployment, compared, os.environ)
    for file in given.output:  # before money is spent
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir() or not os.access(file.parent, os.W_OK):
            raise CannotRun(f"{file} cannot be written")
    if not found:
        print(f"no version of an agent with an evaluation is other than at {given.changed}")
    cost_limit = CostLimit(given.max_cost)
    codes = [_PASSED]
    for compared in found:
        named = _with_notes(given, _suite(given, deployment, compared.agent), compared.agent, weaker)
        result = run_stoppable(_evaluate(given, deployment, compared, named.suite, cost_limit))
        codes.append(_report(given, result, named))
    return _COULD_NOT_RUN if _COULD_NOT_RUN in codes else max(codes)


def _with_notes(
    given: argparse.Namespace, named: _NamedSuite, agent: str, weaker: Iterable[tuple[str, str]]
) -> _NamedSuite:
    """Return the suite with notes for reviewers: what it takes to pass is other than at the commit."""
    if given.changed is None or given.suite is not None:
        return named
    notes = [f"{sentence}." for name, sentence in weaker if name == agent]
    if changed := changed_suite(named.file, named.suite.files, named.suite.patterns, given.changed):
        shown = ", ".join(map(printable, changed[:_MOST_SHOWN]))
        more = f" and {len(changed) - _MOST_SHOWN} more" if len(changed) > _MOST_SHOWN else ""
        notes.append(f"The suite is other than at {given.changed}: {shown}{more}.")
    return replace(named, suite=replace(named.suite, notes=(*notes, *named.suite.notes)))


def _warn(sentence: str) -> None:
    """Say what a reviewer should know, in GitHub Actions as a mark of the job."""
    print(f"warning: {printable(sentence)}", file=sys.stderr)
    if is_github(os.environ):
        print(f"::warning::{printable(sentence)}", file=sys.stderr)


def _with_any(environ: MutableMapping[str, str]) -> Mapping[str, str]:
    """Return the environment, with some value for what it lacks: CI has not every provider's key."""
    return ChainMap(environ, AnyEnvironment())  # type: ignore[arg-type]  # nothing is written


def _suite(given: argparse.Namespace, deployment: Deployment, agent: str) -> _NamedSuite:
    """Return the suite that the command names, or that the agent's canaries need. Raises CannotRun, SuiteError."""
    needed = deployment.agents[agent].evaluation
    configured = None if needed is None else suite_file(given.config, needed.suite)
    file: Path | None = given.suite or configured
    if file is None:
        raise CannotRun(f"say --suite FILE, or name the suite of {agent} as `evaluation` in routing.yaml")
    suite = read_suite(file, check_problems)
    is_configured = configured is not None and file.resolve() == configured.resolve()
    return _NamedSuite(suite, file, needed.suite if needed is not None and is_configured else str(file))


async def _evaluate(
    given: argparse.Namespace, deployment: Deployment, compared: ComparedVersions, suite: Suite, cost_limit: CostLimit
) -> SuiteResult:
    settings, book = deployment.settings, wiring.prices(deployment.settings, PriceList())
    try:
        names = {*(str(version.target) for version in compared.versions), *targets_of(suite, given.judge)}
        await asyncio.to_thread(book.learn, sorted(names))
    except PriceListFailed as error:
        print(f"warning: {error}", file=sys.stderr)
    upstreams = Upstreams(wiring.transport_options(settings))
    try:
        targets = Targets(wiring.channels_of(settings, upstreams), book, cost_limit, tell=shown_waits(sys.stderr))
        run_settings = RunSettings(given.repeat, given.concurrency, VerdictLimits(margin=given.margin))
        judges = Judges(targets, given.judge)
        check_graders(suite, judges, given.max_cost)
        with _open_kept(given) as kept:
            async with open_evaluators(judges, kept) as evaluators:
                score = _scorer(replace(judges, evaluators=evaluators))
                suite_run = SuiteRun(
                    compared.agent, compared.candidate, compared.stable, suite, targets, score, kept, run_settings,
                    shown_progress(sys.stderr, _progress_name(given, compared)),
                )  # fmt: skip
                _estimate(suite_run, given.max_cost)
                return await suite_run.run()
    finally:
        await upstreams.aclose()


def _scorer(judges: Judges) -> Scorer:
    async def score(case: Case, answer: CaseAnswer, answer_key: str) -> CaseScore:
        return await score_case(case, answer, replace(judges, answer_key=answer_key))

    return score


def _progress_name(given: argparse.Namespace, compared: ComparedVersions) -> str:
    """Return what progress begins with: nothing where the command names the one version."""
    return "" if given.changed is None else f"{compared.agent}@{compared.candidate.name}  "


def _open_kept(given: argparse.Namespace) -> AbstractContextManager[AnswerCache]:
    return kept_answers(None if given.no_cache else given.cache or usual_file())


def _estimate(suite_run: SuiteRun, limit: int | None) -> None:
    """Say what the run costs at most. Raises CannotRun for a limit on what has no price."""
    most = suite_run.most_cost()
    if most is not None:
        print(f"{suite_run.calls()} calls, at most {to_usd(most):.2f} USD without judges", file=sys.stderr)
    elif limit is not None:
        names = " and ".join(suite_run.unpriced())
        raise CannotRun(f"--max-cost needs a price of {names}: write it under `prices` in gateway.yaml")


def _report(given: argparse.Namespace, result: SuiteResult, named: _NamedSuite) -> int:
    """Write and print the reports; the exit code. Raises OSError."""
    for file in given.output:
        write_report(result, file if given.changed is None else of_version(file, result))
    if is_github(os.environ):
        marks = "".join(f"{line}\n" for line in annotations(result))
        print(marks, end="", file=sys.stderr if given.json else sys.stdout)  # workflows read both
        append_summary(result, os.environ)
    if given.record:
        file = write_record(result, given.config, named.name, who(), given.judge)
        print(f"recorded in {file}", file=sys.stderr)
    if given.json:
        print(as_json(result), end="")
    elif is_github(os.environ):
        print(without_commands(painted(_rows(result), colours())))
    else:
        print_rows(_rows(result))
    return {"passed": _PASSED, "failed": _FAILED}.get(result.verdict.status, _COULD_NOT_RUN)


def _rows(result: SuiteResult) -> Iterator[TextRow]:
    against = "" if result.stable is None else f" against {result.stable.name}"
    first, *others = text_lines(result)
    yield TextRow(f"{result.agent}@{result.candidate.name}{against}", "bold")
    yield TextRow(first, _STYLES[result.verdict.status])
    yield from map(TextRow, others)
