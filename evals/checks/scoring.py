"""Problems of a check before anything runs, and the score of a case from all its checks."""

import asyncio
import inspect
import math
from collections.abc import Iterator

from evals.answer import CaseAnswer
from evals.cases import Case, CheckSpec, Problem, Suite
from evals.checks.checkable import Checkable
from evals.checks.external import EXTERNAL
from evals.checks.graders import Graders, GraderUnavailable
from evals.checks.judging import Ungraded
from evals.checks.python_code import PythonFailed, PythonStopped, transform_answer
from evals.checks.registry import CHECKS, refusal
from evals.checks.scores import CaseScore, not_decided, summed, weightless
from gateway.config.problems import unknown

SET = "assert-set"
_FILE = "file://"


def check_problems(spec: CheckSpec) -> tuple[Problem, ...]:
    """Return everything that is wrong or not supported in a check, and in those of its set."""
    inner = [problem for child in spec.children for problem in check_problems(child)]
    return (*(spec.place.problem(f"{_written(spec)}: {message}") for message in _messages(spec)), *inner)


def graded_checks(suite: Suite) -> Iterator[CheckSpec]:
    """Yield the checks of a suite that a model grades, those of sets too."""
    return (spec for spec in _all_checks(suite) if spec.type in CHECKS and CHECKS[spec.type].asks_target)


def external_checks(suite: Suite) -> Iterator[CheckSpec]:
    """Yield the checks of a suite that an evaluator out of process scores, those of sets too."""
    return (spec for spec in _all_checks(suite) if spec.type == EXTERNAL)


async def score_case(case: Case, answer: CaseAnswer, graders: Graders) -> CaseScore:
    """Return the score of an answer by all checks of its case. An answer that is an error fails."""
    if answer.error:
        return CaseScore(False, 0.0, f"no answer: {answer.error}")
    return await _sum(case.checks, case.threshold, case, answer, graders)


async def _sum(
    specs: tuple[CheckSpec, ...], threshold: float | None, case: Case, answer: CaseAnswer, graders: Graders
) -> CaseScore:
    tasks = [asyncio.create_task(_score(Checkable(spec, case, answer, graders))) for spec in specs]
    try:
        scores = await asyncio.gather(*tasks)
    except BaseException:  # such as a limit of cost: no other check may spend more
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return summed(list(zip(specs, scores, strict=True)), threshold)


async def _score(given: Checkable) -> CaseScore:
    spec = given.spec
    if spec.type == SET:
        return await _sum(spec.children, spec.threshold, given.case, given.answer, given.graders)
    try:
        checked = await transform_answer(given) if spec.transform else given
        found = CHECKS[spec.type].run(checked)
        return weightless(spec, await found if inspect.isawaitable(found) else found)
    except PythonFailed as error:
        return weightless(spec, CaseScore(False, 0.0, f"transform: {error}"))
    except (GraderUnavailable, Ungraded, PythonStopped) as error:
        return weightless(spec, not_decided(str(error)))


def _all_checks(suite: Suite) -> Iterator[CheckSpec]:
    waiting = [spec for case in suite.cases for spec in reversed(case.checks)][::-1]
    while waiting:
        spec = waiting.pop()
        waiting += spec.children
        yield spec


def _messages(spec: CheckSpec) -> Iterator[str]:
    if spec.weight < 0 or not math.isfinite(spec.weight):
        yield "the weight must be 0 or more"
    if spec.threshold is not None and not math.isfinite(spec.threshold):
        yield "the threshold must be a number"
    yield from _set_messages(spec) if spec.type == SET else _check_messages(spec)


def _set_messages(spec: CheckSpec) -> Iterator[str]:
    if not spec.children:
        yield "a set needs checks, under `assert`"
    if spec.negated:
        yield "a set has no `not-`"
    if any(child.type == SET for child in spec.children):
        yield "a set within a set; write the checks into the outer one"


def _check_messages(spec: CheckSpec) -> Iterator[str]:
    check = CHECKS.get(spec.type)
    if check is None:
        reason = refusal(spec)
        yield f"not supported: {reason}" if reason else unknown("check", spec.type, CHECKS)
        return
    if spec.transform and not spec.transform.startswith(_FILE):
        yield "the transform must be a file of Python, `file://NAME.py`"
    if isinstance(spec.value, str) and spec.value.startswith(_FILE) and spec.type != "python":
        yield f"the value is a file that was not read: {spec.value}"
    elif wrong := check.value(spec.value):
        yield wrong
    if check.needs_threshold and spec.threshold is None:
        yield "a `threshold` is missing"
    if spec.negated and not check.may_be_negated:
        yield "`not-` means nothing here"


def _written(spec: CheckSpec) -> str:
    return f"`not-{spec.type}`" if spec.negated else f"`{spec.type}`"
