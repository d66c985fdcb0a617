"""The record of an evaluation, which goes with the version's file in Git and lets its rollout begin."""

import getpass
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from evals.cases import CheckSpec
from evals.money import to_usd
from evals.results import SuiteResult
from evals.scorers.evaluator import evaluator_of, is_read
from gateway.config.evaluation_record import SCHEMA, EvaluationRecord, record_file, written_time
from routing.agents import AgentVersion

_OF_SUITE = ("sha256", "files", "patterns")


def write_record(result: SuiteResult, folder: Path, suite_file: str, by: str, judge: str | None) -> Path:
    """Write the record into the configuration folder; return its file. Raises OSError."""
    file = record_file(folder, result.agent, result.candidate.name)
    record = record_of(result, suite_file, by, judge)
    file.write_text(record.model_dump_json(indent=2, by_alias=True) + "\n", encoding="utf-8")
    return file


def record_of(result: SuiteResult, suite_file: str, by: str, judge: str | None) -> EvaluationRecord:
    """Return what is recorded of an evaluation: versions and suite by their digests, the verdict, and who ran it."""
    verdict, suite = result.verdict, result.suite
    content = {
        "schema": SCHEMA,
        "agent": result.agent,
        "candidate": _version(result.candidate),
        "stable": None if result.stable is None else _version(result.stable),
        "suite": {"file": suite_file, **{name: getattr(suite, name) for name in _OF_SUITE}, "cases": len(suite.cases)},
        "evaluators": sorted(set(_evaluators(result, judge))),
        "repeat": result.repeat,
        "verdict": verdict.status,
        "sentence": verdict.sentence,
        "margin": result.margin,
        "counts": {name: getattr(verdict, name) for name in ("worse", "better", "undecided_runs", "runs")},
        "cost_usd": to_usd(result.spent_nano_usd),
        "at": written_time(result.ended),
        "by": by,
    }
    return EvaluationRecord.model_validate_json(orjson.dumps(content))


def who(environ: Mapping[str, str] = os.environ) -> str:
    """Return who runs the evaluation: in GitHub Actions who started it, else the user of this machine."""
    if actor := environ.get("GITHUB_ACTOR"):
        return actor
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "unknown"


def _version(version: AgentVersion) -> dict[str, str]:
    return {"version": version.name, "digest": version.digest, "target": str(version.target)}


def _evaluators(result: SuiteResult, judge: str | None) -> Iterator[str]:
    """Yield the targets that graded, and the evaluators with their digests."""
    specs = [spec for case in result.suite.cases for spec in _all(case.checks)]
    yield from (spec.target for spec in specs if spec.target)
    for evaluator in {
        evaluator_of(spec.value) for spec in specs if isinstance(spec.value, Mapping) and is_read(spec.value)
    }:
        yield f"{evaluator.name} sha256:{evaluator.sha256}"
        yield from (target for target in (evaluator.judge, evaluator.embedder) if target)
    if judge is not None:
        yield judge


def _all(checks: tuple[CheckSpec, ...]) -> Iterator[CheckSpec]:
    for check in checks:
        yield check
        yield from _all(check.children)
