"""Ids of cases, and the terms that a case's `metadata` may set in any dialect: critical, max_turns, tool_results."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from pydantic import JsonValue

from evals.cases import Case, CheckSpec, SourceLine, SuiteError
from evals.suites.values import MAX_CASES
from gateway.config.problems import quoted

MOST_TURNS = 64
DEFAULT_TURNS = 8
MAX_CHECKS = 500_000  # of a suite
MAX_SUITE_TEXT = 250_000_000  # characters of all cases, filled
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


def bounded(cases: Iterable[Case]) -> list[Case]:
    """Return the cases as they are made. Raises SuiteError as soon as they are too many, or too large together."""
    kept, checks, length = list[Case](), 0, 0
    for case in cases:
        kept.append(case)
        checks += len(case.checks)
        length += _size([*map(dict, case.messages), case.expected, *case.context]) + sum(
            map(size_of_check, case.checks)
        )
        if len(kept) > MAX_CASES:
            raise SuiteError([case.place.problem(f"the suite has more than {MAX_CASES:,} cases; split it")])
        if checks > MAX_CHECKS or length > MAX_SUITE_TEXT:
            most = f"{MAX_CHECKS:,} checks and {MAX_SUITE_TEXT:,} characters"
            raise SuiteError([case.place.problem(f"the cases have more than {most} together; split the suite")])
    return kept


def size_of_check(check: CheckSpec) -> int:
    """Return about how many characters a check's value has, with those of its set."""
    return 50 + _size(check.value) + sum(map(size_of_check, check.children))


def _size(value: JsonValue) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _size(each) for key, each in value.items())
    return sum(map(_size, value)) if isinstance(value, list) else 0


def with_ids(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return the cases, each with an id of its own. Raises SuiteError where one is written twice.

    Where none is written, the id is a digest of what is asked; where the same is asked again, it has `-2` at its end.
    """
    named, problems, asked = dict[str, Case](), [], Counter[str]()
    for case in cases:
        if len(case.id) > _LONGEST_ID:
            problems.append(case.place.problem(f"an id has at most {_LONGEST_ID} characters"))
        elif case.id and case.id in named:
            problems.append(
                case.place.problem(f"the id {quoted(case.id)} stands twice, first in {_shown(named[case.id])}")
            )
        else:
            name = case.id or _free_id(_digest(case), named, asked)
            named[name] = case if case.id else replace(case, id=name)
    if problems:
        raise SuiteError(problems)
    return tuple(named.values())


def _free_id(digest: str, named: Mapping[str, Case], asked: Counter[str]) -> str:
    """Return the digest, with the number of times that it was asked for at its end after the first."""
    name = digest
    while name in named:  # once, unless somebody has written such an id
        asked[digest] += 1
        name = f"{digest}-{asked[digest] + 1}"
    return name


def _digest(case: Case) -> str:
    content = json.dumps([case.messages, case.inputs], sort_keys=True, default=dict)
    return blake2b(content.encode(), digest_size=6).hexdigest()


def _shown(case: Case) -> str:
    return f"{case.place.file}:{case.place.line}"
