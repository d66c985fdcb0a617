"""Tests of promptfoo: where they stand, what `defaultTest` and scenarios add, and the cases that they make."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from evals.cases import Case, CheckSpec
from evals.suites.cases_by_id import case_terms, size_of_check
from evals.suites.conversation import texts
from evals.suites.promptfoo.assertions import judge_target, read_assertion, read_transform
from evals.suites.promptfoo.prompts import PromptSource
from evals.suites.promptfoo.source import SCHEME, PromptfooSource
from evals.suites.promptfoo.table import test_of_row
from evals.suites.promptfoo.variables import combinations, read_variables
from evals.suites.template import MAX_TEXT
from evals.suites.values import MAX_CASES, check_keys, flag, number, place_of, plain_mapping, refusal, sequence, text
from gateway.config.nodes import Node
from gateway.config.problems import quoted

TEST_KEYS = ("description", "vars", "assert", "threshold", "metadata", "options", "prompts", "provider", "providers")
REFUSED_KEYS: Final = {
    "providerOutput": "the version under test answers, not the file",
    "assertScoringFunction": "scores are the weighted mean of the checks, as promptfoo computes them without it",
    "matrix": "promptfoo does not know it either; write a list in `vars`",
}
OPTIONS = (
    *("prefix", "suffix", "provider", "transform", "disableVarExpansion", "disableDefaultAsserts"),
    *("disableConversationVar", "runSerially"),
)
REFUSED_OPTIONS: Final = {
    "rubricPrompt": "judges have a prompt of their own; write what is judged into `value`",
    "storeOutputAs": "earlier answers are not put into later prompts; write the conversation as messages",
    "transformVars": "it is code; write the finished values into `vars`",
    "postprocess": "it is code; write the check in Python",
    "repeat": "all cases are repeated alike: `evaluateOptions.repeat`",
    "factuality": "factuality has its own weights",
    "response_format": "the version under test has its own settings",
}
_MOST_LEVELS = 4
MAX_CASE_CHECKS = 1_000  # of a case
_GENERATED = "tests are not made by code; keep what it makes in a file of JSON or YAML"
PROVIDERS_NOTE = "`provider` and `providers` are not used: the version under test answers every case"


@dataclass(frozen=True, slots=True)
class TestDefaults:
    """The defaults that `defaultTest` gives to every test; an empty mapping where there is none."""

    node: Node

    def applied(self, test: Node) -> Node:
        """Return a test with the defaults: of mappings both entries, of assertions both lists, else its own value."""
        options = test.get("options", "disableDefaultAsserts")
        own = self.node if options is None or options.value is not True else _without(self.node, "assert")
        return merged(own, test)


def merged(first: Node, second: Node) -> Node:
    """Return two tests as one, of which the second has the last word."""
    entries = {**first.entries, **second.entries}
    for key in ("vars", "options", "metadata"):
        both = [each for node in (first, second) if (each := node.get(key)) is not None]
        if len(both) == 2 and all(isinstance(each.value, Mapping) for each in both):
            entries[key] = replace(both[1], value={**both[0].entries, **both[1].entries})
    if first.get("assert") is not None and second.get("assert") is not None:
        asserts = first.entries["assert"].items + second.entries["assert"].items
        entries["assert"] = replace(second.entries["assert"], value=asserts)
    return replace(second, value=entries)


def read_tests(node: Node | None, source: PromptfooSource, base: Path | None = None, level: int = 0) -> list[Node]:
    """Return the tests of `tests`: written there, or in the files that it names. Notes what is not supported.

    `level` says through how many files these tests were reached.
    """
    if node is None or node.value is None:
        return []
    if level > _MOST_LEVELS:
        raise refusal(node, f"files of tests name each other through more than {_MOST_LEVELS} levels")
    if "path" in node.entries:
        source.findings.add(node, _GENERATED)
        return []
    found: list[Node] = []
    for each in node.items or (node,):
        with source.findings.collecting():
            if each.text is not None:
                for path in source.paths(each.text, each, base):
                    found.extend(tests_of(source.document(path, each), path, source, level + 1))
            elif "path" in each.entries:
                raise refusal(each, _GENERATED)
            elif each.entries:
                found.append(_with_variables(source.followed(each), source, base))
            else:
                raise refusal(each, "a test must be a mapping with `vars` and `assert`, or the path of a file")
        if len(found) > MAX_CASES:
            raise refusal(each, f"the suite has more than {MAX_CASES:,} tests; split it")
    return found


def tests_of(document: Node, path: Path, source: PromptfooSource, level: int = 1) -> list[Node]:
    """Return the tests of a file of its own: a table, a list of tests, or one test."""
    if path.suffix.lower() == ".csv":
        return [test_of_row(row, source.findings) for row in document.items]
    return read_tests(document, source, path.parent, level)


def read_scenarios(node: Node | None, source: PromptfooSource) -> Iterator[Node]:
    """Yield the tests of `scenarios`: every test of each with every entry of its `config`."""
    for each in () if node is None else sequence(node, "`scenarios`"):
        scenarios = [each]
        if each.text is not None:
            documents = [source.document(path, each) for path in source.paths(each.text, each)]
            scenarios = [below for document in documents for below in document.items or (document,)]
        for scenario in scenarios:
            with source.findings.collecting():
                yield from _scenario_tests(scenario, source)


def _scenario_tests(scenario: Node, source: PromptfooSource) -> Iterator[Node]:
    check_keys(scenario, ("description", "config", "tests"), {}, source.findings)
    config = scenario.get("config")
    if config is None or not config.items:
        raise refusal(scenario, "a scenario needs a list under `config`")
    nothing = Node({}, scenario.file, scenario.line, 1)
    tests = read_tests(scenario.get("tests"), source) or [nothing]
    for data in config.items:
        if "$values" in data.entries or "$expand" in data.entries or not data.entries:
            raise refusal(data, "an entry of `config` must be a mapping with `vars`; name files under `tests`")
        for test in tests:
            yield merged(_with_variables(data, source, None), test)


def cases_of(test: Node, prompts: list[PromptSource], source: PromptfooSource) -> Iterator[Case]:
    """Yield the cases of one test: one for each prompt and each combination of its variables."""
    findings = source.findings
    check_keys(test, TEST_KEYS, REFUSED_KEYS, findings)
    if test.get("provider") is not None or test.get("providers") is not None:
        source.notes.setdefault(PROVIDERS_NOTE)
    options = test.get("options") or Node({}, test.file, test.line, 1)
    check_keys(options, OPTIONS, REFUSED_OPTIONS, findings)
    terms = case_terms(plain_mapping(test.get("metadata"), "`metadata`"), place_of(test.get("metadata") or test))
    described = text(test.get("description"), "`description`")
    metadata = {**({"description": described} if described else {}), **terms.metadata}
    threshold = number(test.get("threshold"), "`threshold`")
    prefix, suffix = (text(options.get(key), f"`{key}`") or "" for key in ("prefix", "suffix"))
    is_expanded = not flag(options.get("disableVarExpansion"), "`disableVarExpansion`")
    written = read_variables(test.get("vars"), source)
    chosen = [prompt.around(prefix, suffix) for prompt in _chosen(test.get("prompts"), prompts)]
    for variables in combinations(written, is_expanded, source, len(chosen)):
        for prompt in chosen:
            with findings.collecting():
                yield Case(
                    id="",
                    messages=prompt.messages(variables),
                    place=place_of(test),
                    inputs=variables,
                    checks=_checks(test.get("assert"), options, variables, source),
                    context=_context(variables),
                    threshold=threshold,
                    critical=terms.critical,
                    max_turns=terms.max_turns,
                    tool_results=terms.tool_results,
                    metadata=metadata,
                )


def _checks(
    listed: Node | None, options: Node, variables: Mapping[str, JsonValue], source: PromptfooSource
) -> tuple[CheckSpec, ...]:
    checks, length = list[CheckSpec](), 0
    changed, judge = options.get("transform"), options.get("provider")
    for each in () if listed is None or listed.value is None else sequence(listed, "`assert`"):
        with source.findings.collecting():
            spec = read_assertion(each, variables, source)
            checks.append(_with_options(spec, changed, judge, source))
            length += size_of_check(spec)
        if len(checks) > MAX_CASE_CHECKS or length > MAX_TEXT:
            raise refusal(each, f"a case has at most {MAX_CASE_CHECKS:,} checks of {MAX_TEXT:,} characters together")
    return tuple(checks)


def _with_options(spec: CheckSpec, changed: Node | None, judge: Node | None, source: PromptfooSource) -> CheckSpec:
    """Return the check with what the test's options say for every check."""
    if changed is not None:
        if spec.transform is not None:
            raise refusal(changed, "a test and its assertion both have a `transform`; keep one")
        spec = replace(spec, transform=read_transform(changed, source))
    if judge is not None and spec.target is None:
        spec = replace(spec, target=judge_target(judge, spec.type))
    children = tuple(_with_options(each, changed, judge, source) for each in spec.children)
    return replace(spec, children=children)


def _chosen(filters: Node | None, prompts: list[PromptSource]) -> list[PromptSource]:
    """Return the prompts whose label a test names, or begins with before `:` or `:*`; all where it names none."""
    if filters is None or filters.value is None:
        return prompts
    names = [each.removesuffix(":*") for each in texts(filters, "`prompts`")]
    found = [prompt for prompt in prompts if any(_has_label(prompt, name) for name in names)]
    if not found:
        raise refusal(filters, f"no prompt has the label {quoted(names[0] if names else '')}")
    return found


def _has_label(prompt: PromptSource, name: str) -> bool:
    return prompt.label == name or prompt.label.startswith(f"{name}:")


def _context(variables: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the retrieved texts, which checks of a context find in the variable `context`."""
    context = variables.get("context")
    found = [context] if isinstance(context, str) else context if isinstance(context, list) else []
    return tuple(each for each in found if isinstance(each, str))


def _with_variables(test: Node, source: PromptfooSource, base: Path | None) -> Node:
    """Return a test with its variables as a mapping, where it names files of them."""
    variables = test.get("vars")
    if variables is None or isinstance(variables.value, Mapping) or variables.value is None:
        return test
    read = replace(variables, value=dict(read_variables(variables, source, base)))
    return replace(test, value={**test.entries, "vars": read})


def _without(node: Node, key: str) -> Node:
    return replace(node, value={name: each for name, each in node.entries.items() if name != key})


def read_defaults(node: Node | None, source: PromptfooSource) -> TestDefaults:
    """Return `defaultTest`, written there or in the file that it names."""
    defaults = TestDefaults(Node({}, source.root.file if source.root else "", 1, 1))
    if node is None or node.value is None:
        return defaults
    with source.findings.collecting():
        if (node.text or "").startswith(SCHEME):
            node = source.document(source.paths(node.text or "", node)[0], node)
        if not node.entries and node.value != {}:
            raise refusal(node, "`defaultTest` must be a mapping, or the path of a file: file://default.yaml")
        check_keys(node, TEST_KEYS, REFUSED_KEYS, source.findings)
        defaults = TestDefaults(_with_variables(source.followed(node), source, None))
    return defaults
