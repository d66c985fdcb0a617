"""The report for programs, `serinus.eval/1`: everything that was asked, answered, scored and spent."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from evals.money import to_usd
from evals.results import CaseResult, CaseRun, SuiteResult
from evals.verdict.bounds import RatioInterval, ratio_of_totals
from routing.agents import AgentVersion

SCHEMA: Final = "serinus.eval/1"
_LONGEST: Final = 100_000  # characters of an answer


def document(result: SuiteResult) -> dict[str, Any]:
    """Return the report as JSON values. Money in USD, durations in seconds, times in RFC 3339 (UTC)."""
    return {
        "schema": SCHEMA,
        "agent": result.agent,
        "candidate": _version(result.candidate),
        "stable": None if result.stable is None else _version(result.stable),
        "suite": {
            "name": result.suite.name,
            "dialect": result.suite.dialect,
            "sha256": result.suite.sha256,
            "cases": len(result.suite.cases),
            "notes": list(result.suite.notes),
        },
        "repeat": result.repeat,
        "began": _time(result.began),
        "ended": _time(result.ended),
        "spent_usd": to_usd(result.spent_nano_usd),
        "verdict": asdict(result.verdict),
        "ratios": {name: None if found is None else asdict(found) for name, found in ratios(result).items()},
        "left_out": result.left_out,
        "results": {"stats": _stats(result), "cases": [_case(each) for each in result.results]},
    }


def as_json(result: SuiteResult) -> str:
    """Return the report as text."""
    return orjson.dumps(document(result), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def ratios(result: SuiteResult) -> dict[str, RatioInterval | None]:
    """Return cost and latency of the version as multiples of stable's, over the cases that both have answered."""
    pairs = [(each.candidate, each.stable) for each in result.results]
    return {
        "cost": ratio_of_totals(_both(pairs, _cost)),
        "latency": ratio_of_totals(_both(pairs, lambda run: run.answer and run.answer.latency_seconds)),
    }


def _cost(run: CaseRun) -> float | None:
    nano_usd = None if run.answer is None else run.answer.cost_nano_usd
    return None if nano_usd is None else to_usd(nano_usd)


def _both(pairs: Sequence[tuple[Sequence[CaseRun], Sequence[CaseRun]]], value: Any) -> list[tuple[float, float]]:
    """Return the means of both sides, of the cases where each run has a value."""
    found = []
    for ours, theirs in pairs:
        mine, other = ([value(run) for run in runs] for runs in (ours, theirs))
        if mine and other and None not in mine and None not in other:
            found.append((sum(mine) / len(mine), sum(other) / len(other)))
    return found


def _version(version: AgentVersion) -> dict[str, str]:
    return {"version": version.name, "digest": version.digest, "target": str(version.target)}


def _stats(result: SuiteResult) -> dict[str, Any]:
    """Return the sums in the names that promptfoo's reports have."""
    pairs = [each.pair for each in result.results]
    runs = [run for each in result.results for run in each.candidate]
    answers = [run.answer for run in runs if run.answer is not None]
    given, completion = (sum(getattr(each, name) for each in answers) for name in ("input_tokens", "output_tokens"))
    return {
        "successes": sum(pair.passes_always for pair in pairs),
        "failures": sum(False in pair.candidate for pair in pairs),
        "errors": sum(None in pair.candidate and False not in pair.candidate for pair in pairs),
        "durationMs": round((result.ended - result.began) * 1000),
        "tokenUsage": {"prompt": given, "completion": completion, "total": given + completion},
    }


def _case(result: CaseResult) -> dict[str, Any]:
    case = result.case
    return {
        "id": case.id,
        "file": case.place.file,
        "line": case.place.line,
        "critical": case.critical,
        "comparison": result.pair.comparison,
        "messages": list(case.messages),
        "expected": case.expected,
        "metadata": dict(case.metadata),
        "candidate": [_run(run) for run in result.candidate],
        "stable": [_run(run) for run in result.stable],
        "fresh": [{"candidate": _run(ours), "stable": _run(theirs)} for ours, theirs in result.fresh],
    }


def _run(run: CaseRun) -> dict[str, Any]:
    answer = None if run.answer is None else asdict(run.answer)
    if answer is not None:
        cost = answer.pop("cost_nano_usd")
        answer["cost_usd"] = None if cost is None else to_usd(cost)
        answer["text"] = answer["text"][:_LONGEST]
        del answer["offered"], answer["raw"]
    score = None if run.score is None else asdict(run.score)
    return {"outcome": run.outcome, "undecided": run.undecided, "cached": run.is_kept, "answer": answer, "score": score}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
