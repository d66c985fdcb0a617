"""`promptfooconfig.yaml`: its prompts and tests, asked of the version under test in place of its providers."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from evals.cases import Case, Suite
from evals.suites.cases_by_id import bounded, with_ids
from evals.suites.folder import SuiteFolder
from evals.suites.promptfoo.prompts import PromptSource, read_prompts
from evals.suites.promptfoo.source import PromptfooSource
from evals.suites.promptfoo.tests import (
    REFUSED_KEYS,
    TEST_KEYS,
    cases_of,
    read_defaults,
    read_scenarios,
    read_tests,
    tests_of,
)
from evals.suites.values import MAX_CASES, SuiteFindings, check_keys, number, text, whole_number
from gateway.config.nodes import Node
from gateway.config.problems import listed

DIALECT: Final = "promptfoo"
# Keys of which one makes a mapping a promptfoo configuration.
CONFIG_KEYS = frozenset({"providers", "targets", "prompts", "tests", "scenarios", "defaultTest", "redteam"})
ROW_KEYS = frozenset({*TEST_KEYS, *REFUSED_KEYS})
READ = ("description", "prompts", "tests", "defaultTest", "scenarios", "evaluateOptions", "commandLineOptions")
REPLACED = {
    "providers": "`providers` are not used: the version under test answers every case",
    "targets": "`targets` are not used: the version under test answers every case",
}
# What changes neither an answer nor a verdict.
WITHOUT_EFFECT = (
    *("assertionTemplates", "$schema", "outputPath", "sharing", "tags", "metadata", "writeLatestResults"),
    *("env", "tracing"),
)
REFUSED: Final = {
    "redteam": "attacks are not made here; keep the tests that promptfoo generated in a file",
    "extensions": "they are code; prepare what they do before",
    "nunjucksFilters": "they are code; write the finished values into `vars`",
    "filters": "they are code; write the finished values into `vars`",
    "derivedMetrics": "scores are not computed from others; give each its own check",
}
OPTIONS = ("repeat", "maxConcurrency", "delay")
IDLE_OPTIONS = (
    *("cache", "showProgressBar", "generateSuggestions", "suggestionsCount", "interactiveProviders", "silent"),
    *("timeoutMs", "maxEvalTimeMs", "table", "write", "share", "progressBar", "verbose", "envFile", "envPath"),
)
_LONGEST_DELAY = 3_600_000  # milliseconds
_MOST_REPEATS = 100
_MOST_AT_ONCE = 1_000


def read_config(root: Node, path: Path, folder: SuiteFolder) -> Suite:
    """Return the suite of a configuration. Raises SuiteError with everything that is not supported."""
    source = PromptfooSource(folder, root)
    check_keys(root, (*READ, *REPLACED, *WITHOUT_EFFECT), REFUSED, source.findings)
    for key, note in REPLACED.items():
        if key in root.entries:
            source.notes.setdefault(note)
    defaults = read_defaults(root.get("defaultTest"), source)
    tests = read_tests(root.get("tests"), source)
    scenarios = list(islice(read_scenarios(root.get("scenarios"), source), MAX_CASES + 1))
    if not tests and not scenarios and root.get("tests") is None:
        tests = [Node({}, root.file, root.line, 1)]
    prompts = read_prompts(root.get("prompts"), source)
    name = ""
    with source.findings.collecting():
        name = text(root.get("description"), "`description`") or ""
    cases = _cases([defaults.applied(test) for test in [*tests, *scenarios]], prompts, source)
    if root.get("prompts") is None:
        _check_question(cases, source)
    return _suite(name or path.stem, cases, source, _run_options(root, source.findings))


def read_test_file(root: Node, path: Path, folder: SuiteFolder) -> Suite:
    """Return the suite of a file of tests without a configuration; it asks what is in the variable `prompt`."""
    source = PromptfooSource(folder)
    tests = tests_of(root, folder.base / path.name, source)
    cases = _cases(tests, read_prompts(None, PromptfooSource(folder, root)), source)
    _check_question(cases, source)
    return _suite(path.stem, cases, source, (1, 4, 0.0))


def _cases(tests: list[Node], prompts: list[PromptSource], source: PromptfooSource) -> list[Case]:
    cases: list[Case] = []
    with source.findings.collecting():
        cases = bounded(_each_case(tests, prompts, source))
    _note_empty_places(cases, prompts, source)
    unchecked = sum(not case.checks for case in cases)
    if unchecked:
        source.notes.setdefault(f"{unchecked:,} of {len(cases):,} cases have no check and pass with any answer")
    return cases


def _each_case(tests: list[Node], prompts: list[PromptSource], source: PromptfooSource) -> Iterator[Case]:
    for test in tests:
        with source.findings.collecting():
            yield from cases_of(test, prompts, source)


def _note_empty_places(cases: list[Case], prompts: list[PromptSource], source: PromptfooSource) -> None:
    """Note the variables that a prompt needs and a case lacks: promptfoo leaves their places empty, too."""
    needed: set[str] = set()
    for prompt in prompts:
        with source.findings.collecting():
            needed |= prompt.names()
    lacking = Counter(name for case in cases for name in needed if name not in case.inputs)
    if lacking:
        names = listed(f"{{{{{name}}}}}" for name in sorted(lacking))
        source.notes.setdefault(f"{names}: left empty where a test has no such variable, as in promptfoo")


def _check_question(cases: list[Case], source: PromptfooSource) -> None:
    """Note a problem where there are no prompts, and no test has the variable that is asked then."""
    if cases and not any("prompt" in case.inputs for case in cases):
        missing = "nothing says what is asked: write `prompts`, or a variable `prompt` in each test"
        source.findings.problems.append(cases[0].place.problem(missing))


def _run_options(root: Node, findings: SuiteFindings) -> tuple[int, int, float]:
    """Return how often, how many at once and with which delay in seconds the cases are run."""
    found: dict[str, Node] = {}
    for key in ("commandLineOptions", "evaluateOptions"):
        node = root.get(key)
        if node is not None and node.value is not None:
            if not node.entries:
                findings.add(node, f"`{key}` must be a mapping (key: value)")
            check_keys(node, (*OPTIONS, *IDLE_OPTIONS), {}, findings)
            found |= {option: each for option, each in node.entries.items() if option in OPTIONS}
    repeat, at_once, delay = 1, 4, 0.0
    with findings.collecting():
        repeat = whole_number(found.get("repeat"), "`repeat`", 1, _MOST_REPEATS) or repeat
    with findings.collecting():
        at_once = whole_number(found.get("maxConcurrency"), "`maxConcurrency`", 1, _MOST_AT_ONCE) or at_once
    with findings.collecting():
        delay = number(found.get("delay"), "`delay`") or delay
    if not 0 <= delay <= _LONGEST_DELAY:
        findings.add(found["delay"], f"`delay` must be from 0 to {_LONGEST_DELAY:,} milliseconds")
    return repeat, at_once, delay / 1000


def _suite(name: str, cases: list[Case], source: PromptfooSource, options: tuple[int, int, float]) -> Suite:
    named: tuple[Case, ...] = ()
    with source.findings.collecting():
        named = with_ids(cases)
    source.findings.check()
    repeat, at_once, delay = options
    return Suite(
        name=name,
        dialect=DIALECT,
        cases=named,
        sha256=source.folder.digest(),
        repeat=repeat,
        max_concurrency=at_once,
        delay_seconds=delay,
        notes=tuple(source.notes),
    )
