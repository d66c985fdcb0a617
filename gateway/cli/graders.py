"""The graders of a suite before it is run: judges, and evaluators out of process, with all that they need."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from evals.cases import CheckSpec, Problem, Suite, SuiteError
from evals.checks import GraderUnavailable, external_checks, graded_checks
from evals.running.judges import Judges
from evals.scorers.evaluator import Evaluator, evaluator_of
from gateway.cli.compared_versions import CannotRun
from routing.agents import AgentVersion
from routing.chain import Target


def targets_of(suite: Suite, usual: str | None) -> set[str]:
    """Return the targets that grade, as they are written."""
    names = {spec.target or usual for spec in graded_checks(suite)}
    for evaluator in _evaluators(suite):
        names |= {evaluator.judge or usual, evaluator.embedder}
    return {name for name in names if name is not None}


def check_graders(suite: Suite, judges: Judges, limit: int | None, environ: Mapping[str, str] = os.environ) -> None:
    """Raise SuiteError for graders that cannot be asked, CannotRun for a limit on one that has no price."""
    problems: list[Problem] = []
    versions: list[AgentVersion] = []
    for spec in graded_checks(suite):
        try:
            versions.append(judges.version_of(spec.target))
        except GraderUnavailable as error:
            problems.append(spec.place.problem(f"{spec.type}: {error}"))
    first: dict[Evaluator, CheckSpec] = {}
    for spec, evaluator in _external(suite):
        first.setdefault(evaluator, spec)
    for evaluator, spec in first.items():
        problems += [spec.place.problem(message) for message in _messages(evaluator, judges, versions, environ)]
    if problems:
        raise SuiteError(problems)
    _check_prices(versions, judges, limit)


def _check_prices(versions: list[AgentVersion], judges: Judges, limit: int | None) -> None:
    unpriced: dict[Target, None] = {
        version.target: None for version in versions if not judges.targets.has_price(version)
    }
    if limit is not None and unpriced:
        raise CannotRun(f"--max-cost needs a price of the judge {next(iter(unpriced))}: write it under `prices`")


def _messages(
    evaluator: Evaluator, judges: Judges, versions: list[AgentVersion], environ: Mapping[str, str]
) -> Iterator[str]:
    """Yield what an evaluator lacks, and add the models that it may ask to `versions`."""
    name = f"evaluator {evaluator.name}"
    if shutil.which(evaluator.program, path=environ.get("PATH")) is None:
        yield f"{name}: {evaluator.run[0]} is no program that can be run from {Path(evaluator.cwd)}"
    if missing := sorted(set(evaluator.env) - environ.keys()):
        yield f"{name}: the environment has no {', '.join(missing)}"
    try:
        if evaluator.judge or judges.usual:
            versions.append(judges.version_of(evaluator.judge))
        if evaluator.embedder:
            versions.append(judges.embedder_of(evaluator.embedder))
    except GraderUnavailable as error:
        yield f"{name}: {error}"


def _external(suite: Suite) -> Iterator[tuple[CheckSpec, Evaluator]]:
    for spec in external_checks(suite):
        if isinstance(spec.value, Mapping):
            yield spec, evaluator_of(spec.value)


def _evaluators(suite: Suite) -> set[Evaluator]:
    return {evaluator for _, evaluator in _external(suite)}
