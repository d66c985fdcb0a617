"""Ids of cases, and the terms that a case's `metadata` may set in any dialect: critical, max_turns, tool_results."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from pydantic import JsonValue

from evals.cases import Case, SourceLine, SuiteError
from evals.suites.values import MAX_CASES
from gateway.config.problems import quoted

MOST_TURNS = 64
DEFAULT_TURNS = 8
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class CaseTerms:
    """The terms of a case, and the metadata without them."""

    critical: bool
    max_turns: int
    tool_results: Mapping[str, JsonValue]
    metadata: Mapping[str, JsonValue]


def case_terms(metadata: Mapping[str, JsonValue], place: SourceLine) -> CaseTerms:
    """Return the terms that metadata sets. A table holds them as text, tool results as JSON. Raises SuiteError."""
    rest = dict(metadata)
    critical = _from_cell(rest.pop("critical", False))
    max_turns = _from_cell(rest.pop("max_turns", DEFAULT_TURNS))
    results = _from_cell(rest.pop("tool_results", {}))
    problems = []
    if not isinstance(critical, bool):
        problems.append("`critical` must be true or false")
    if isinstance(max_turns, bool) or not isinstance(max_turns, int) or not 1 <= max_turns <= MOST_TURNS:
        problems.append(f"`max_turns` must be a whole number from 1 to {MOST_TURNS}")
    if not isinstance(results, dict):
        problems.append("`tool_results` must be a mapping from a tool's name to what it gives back")
    if problems:
        raise SuiteError(place.problem(each) for each in problems)
    turns = max_turns if isinstance(max_turns, int) else DEFAULT_TURNS
    return CaseTerms(critical is True, turns, results if isinstance(results, dict) else {}, rest)


def _from_cell(value: JsonValue) -> JsonValue:
    """Return the value that a cell of a table stands for, where it is one of JSON's."""
    if not isinstance(value, str):
        return value
    try:
        found: JsonValue = json.loads(value.strip().lower() if value.strip().lower() in ("true", "false") else value)
    except (ValueError, RecursionError):
        return value
    return found


def with_ids(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return the cases, each with an id of its own. Raises SuiteError where one is written twice, or for too many.

    Where none is written, the id is a digest of what is asked; where the same is asked again, it has `-2` at its end.
    """
    named, problems = dict[str, Case](), []
    for case in cases:
        if len(named) >= MAX_CASES:
            problems.append(case.place.problem(f"the suite has more than {MAX_CASES:,} cases; split it"))
            break
        if len(case.id) > _LONGEST_ID:
            problems.append(case.place.problem(f"an id has at most {_LONGEST_ID} characters"))
        elif case.id and case.id in named:
            problems.append(
                case.place.problem(f"the id {quoted(case.id)} stands twice, first in {_shown(named[case.id])}")
            )
        else:
            free = case.id or _free_id(_digest(case), named)
            named[free] = case if case.id else replace(case, id=free)
    if problems:
        raise SuiteError(problems)
    return tuple(named.values())


def _free_id(digest: str, named: Mapping[str, Case]) -> str:
    if digest not in named:
        return digest
    number = 2
    while f"{digest}-{number}" in named:
        number += 1
    return f"{digest}-{number}"


def _digest(case: Case) -> str:
    content = json.dumps([case.messages, case.inputs], sort_keys=True, default=dict)
    return blake2b(content.encode(), digest_size=6).hexdigest()


def _shown(case: Case) -> str:
    return f"{case.place.file}:{case.place.line}"
