"""Serinus's own suites: small files of cases, or a few lines over somebody else's dataset."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from evals.cases import Case, ChatMessage, CheckSpec, Suite, SuiteError
from evals.checks.external import EXTERNAL
from evals.suites.cases_by_id import DEFAULT_TURNS, bounded, with_ids
from evals.suites.check_specs import CheckProblems, no_problems, specs_of
from evals.suites.conversation import chat_messages, texts, user_message
from evals.suites.datasets.detection import row_cases
from evals.suites.datasets.rows import id_of
from evals.suites.documents import read_document
from evals.suites.evaluator_entry import EvaluatorReader, read_evaluators
from evals.suites.filling import fill_node
from evals.suites.folder import SuiteFolder
from evals.suites.native_file import NativeSuite
from evals.suites.promptfoo.assertions import read_transform
from evals.suites.promptfoo.config import CONFIG_KEYS, read_config
from evals.suites.promptfoo.source import SCHEME, PromptfooSource
from evals.suites.template import Template, Variables
from evals.suites.values import number, place_of, plain, plain_mapping, refusal, text
from gateway.config.nodes import Node
from gateway.config.problems import quoted
from gateway.config.validation import validate

DIALECT: Final = "serinus"
_SETTINGS = ("threshold", "weight", "metric", "target", "transform")
_TERMS = ("expected", "context", "threshold", "critical", "max_turns")
_SETS = ("any", "all")
_NEGATION = "not-"


def read_native(root: Node, path: Path, folder: SuiteFolder, check_problems: CheckProblems = no_problems) -> Suite:
    """Return the suite of a file. Raises SuiteError with everything that is wrong in it, with its checks as well."""
    model, structural = validate(NativeSuite, root)
    source = PromptfooSource(folder, root)
    cases: tuple[Case, ...] = ()
    with source.findings.collecting():
        evaluators = EvaluatorReader(source, read_evaluators(root.get("evaluators"), source))
        reader = _NativeReader(source, root.get("defaults") or Node({}, root.file, root.line, 1), evaluators)
        cases = with_ids(bounded(reader.cases(root.entries["cases"])))
    source.findings.problems.extend(problem for spec in specs_of(cases) for problem in check_problems(spec))
    places = {(problem.file, problem.line) for problem in structural}  # of them the reader has other words
    found = [problem for problem in source.findings.problems if (problem.file, problem.line) not in places]
    if model is None or structural or found:
        raise SuiteError([*structural, *found])
    if unchecked := sum(not case.checks for case in cases):
        note = f"{unchecked:,} of {len(cases):,} cases have no check and pass with any answer"
        source.notes.setdefault(note)
    return Suite(
        name=model.name or path.stem,
        dialect=DIALECT,
        cases=cases,
        sha256=folder.digest(),
        repeat=model.repeat,
        max_concurrency=model.max_concurrency,
        delay_seconds=model.delay,
        notes=tuple(source.notes),
    )


@dataclass(frozen=True, slots=True)
class _NativeReader:
    """Reader of the cases of a suite, with its defaults."""

    source: PromptfooSource
    defaults: Node
    evaluators: EvaluatorReader

    def cases(self, node: Node) -> Iterator[Case]:
        """Yield the cases; what is wrong with one is noted, and the others are read."""
        if node.text is None:
            for each in node.items:
                with self.source.findings.collecting():
                    if each.text is None:
                        yield self._case(each)
                    else:
                        yield from self._files(each, each.text)
            return
        yield from self._files(node, node.text)

    def _files(self, node: Node, reference: str) -> Iterator[Case]:
        """Yield the cases of the files that a text names. Raises SuiteError."""
        if not reference.startswith(SCHEME):
            raise refusal(node, "`cases` must be a list, or the path of a file: file://cases.jsonl")
        for path in self.source.paths(reference, node):
            document = read_document(self.source.folder, path, place_of(node))
            if CONFIG_KEYS & document.entries.keys():
                yield from self._suite(document, path)
            elif self.defaults.get("ask") is not None or self.defaults.get("messages") is not None:
                yield from self._rows(document)
            else:
                yield from self._dataset(document)

    def _case(self, node: Node) -> Case:
        """Return a case of the file itself: nothing is filled into its own texts."""
        inputs = {**self._inputs(), **plain_mapping(node.get("inputs"), "`inputs`")}
        own = [read_check(each, self.evaluators) for each in (node.get("expect") or node).items]
        return replace(self._made(node, inputs, ()), checks=(*self._checks(inputs), *own), id=id_of(node, "id"))

    def _suite(self, document: Node, path: Path) -> Iterator[Case]:
        """Yield the cases of a suite of promptfoo, with the checks of the defaults before their own."""
        suite = read_config(document, path, self.source.folder)
        self.source.notes.update(dict.fromkeys(suite.notes))
        for case in suite.cases:
            with self.source.findings.collecting():
                yield replace(case, checks=(*self._checks(case.inputs), *case.checks))

    def _rows(self, document: Node) -> Iterator[Case]:
        """Yield a case for each row of a file, whose values are filled into the defaults."""
        nothing = Node({}, document.file, document.line, 1)
        for row in document.items or (document,):
            with self.source.findings.collecting():
                if not row.entries:
                    raise refusal(row, "a row must be a mapping (key: value)")
                values = {key: plain(each) for key, each in row.entries.items()}
                empty = replace(nothing, line=row.line)
                case = self._made(empty, self._inputs(values), (), values)
                yield replace(case, id=id_of(row, "id"), checks=self._checks({**values, **case.inputs}))

    def _dataset(self, document: Node) -> Iterator[Case]:
        """Yield the cases of a file in a dialect, checked by the defaults where these have checks."""
        cases, note = row_cases(document, self.source.findings)
        if "expect" not in self.defaults.entries and note:
            self.source.notes.setdefault(note)
        for case in cases:
            with self.source.findings.collecting():
                made = self._made(Node({}, case.place.file, case.place.line, 1), case.inputs, case.messages)
                reference = {} if case.expected is None else {"expected": case.expected}
                yield replace(
                    made,
                    id=case.id,
                    checks=self._checks({**reference, **made.inputs}) or case.checks,
                    expected=case.expected if case.expected is not None else made.expected,
                    context=case.context or made.context,
                    critical=case.critical or made.critical,
                    max_turns=case.max_turns if case.max_turns != DEFAULT_TURNS else made.max_turns,
                    tool_results={**made.tool_results, **case.tool_results},
                    metadata={**made.metadata, **case.metadata},
                )

    def _made(
        self, node: Node, inputs: Variables, messages: tuple[ChatMessage, ...], values: Variables | None = None
    ) -> Case:
        """Return a case without id and checks: what the node says, and else the defaults, filled."""
        known = {**(values or {}), **inputs}
        written = {
            key: _filled(each, known)
            for key, each in self.defaults.entries.items()
            if key in _TERMS and key not in node.entries
        }
        whole = replace(node, value={**written, **node.entries})
        turns, critical = whole.get("max_turns"), whole.get("critical")
        return Case(
            id="",
            messages=messages or self._asked(node, known),
            place=place_of(node),
            inputs=inputs,
            checks=(),
            expected=text(whole.get("expected"), "`expected`"),
            context=texts(whole.get("context"), "`context`"),
            threshold=number(whole.get("threshold"), "`threshold`"),
            critical=critical is not None and critical.value is True,
            max_turns=turns.value if turns is not None and isinstance(turns.value, int) else DEFAULT_TURNS,
            tool_results=self._both(node, "tool_results", known),
            metadata=self._both(node, "metadata", known),
        )

    def _asked(self, node: Node, known: Variables) -> tuple[ChatMessage, ...]:
        """Return what a case asks, or else the defaults, filled. Raises SuiteError where neither says it."""
        if messages := _written_messages(node):
            return messages
        asking = {
            key: _filled(each, known) for key, each in self.defaults.entries.items() if key in ("ask", "messages")
        }
        if messages := _written_messages(replace(self.defaults, value=asking)):
            return messages
        raise refusal(node, "a case needs `ask` or `messages`")

    def _both(self, node: Node, key: str, known: Variables) -> dict[str, JsonValue]:
        default = self.defaults.get(key)
        filled = None if default is None else _filled(default, known)
        return {**plain_mapping(filled, f"`{key}`"), **plain_mapping(node.get(key), f"`{key}`")}

    def _inputs(self, values: Variables | None = None) -> dict[str, JsonValue]:
        inputs = self.defaults.get("inputs")
        if inputs is not None and values is not None:
            inputs = _filled(inputs, values)
        return plain_mapping(inputs, "`inputs`")

    def _checks(self, variables: Variables) -> tuple[CheckSpec, ...]:
        expect = self.defaults.get("expect")
        if expect is None:
            return ()
        return tuple(read_check(each, self.evaluators) for each in _filled(expect, variables).items)


def read_check(node: Node, evaluators: EvaluatorReader) -> CheckSpec:
    """Return the check that an entry of `expect` stands for. Raises SuiteError."""
    if node.text is not None:
        return CheckSpec(node.text.removeprefix(_NEGATION), place_of(node), negated=node.text.startswith(_NEGATION))
    names = [key for key in node.entries if key not in _SETTINGS]
    if len(names) != 1:
        written = ", ".join(map(quoted, names)) or "none"
        raise refusal(node, f"a check has one name, and beside it {', '.join(_SETTINGS)}; here are {written}")
    source = evaluators.source
    name, weight, changed = names[0], number(node.get("weight"), "`weight`"), node.get("transform")
    if weight is not None and weight < 0:
        raise refusal(node, "`weight` must be at least 0")
    spec = CheckSpec(
        name.removeprefix(_NEGATION),
        place_of(node.entries[name]),
        threshold=number(node.get("threshold"), "`threshold`"),
        weight=1.0 if weight is None else weight,
        negated=name.startswith(_NEGATION),
        metric=text(node.get("metric"), "`metric`"),
        target=text(node.get("target"), "`target`"),
        transform=None if changed is None else read_transform(changed, source),
    )
    if name in _SETS:
        return _check_set(spec, node.entries[name], evaluators)
    if spec.type == EXTERNAL:
        return replace(spec, value=evaluators.value(node.entries[name]))
    return replace(spec, value=_check_value(spec, node.entries[name], source))


def _check_set(spec: CheckSpec, node: Node, evaluators: EvaluatorReader) -> CheckSpec:
    children = tuple(read_check(each, evaluators) for each in node.items)
    if not children:
        raise refusal(node, f"`{spec.type}` holds a list of checks")
    threshold = spec.threshold
    if spec.type == "any" and threshold is None:
        weights = [child.weight for child in children if child.weight]
        threshold = min(weights) / sum(weights) if weights else None
    return replace(spec, type="assert-set", threshold=threshold, children=children)


def _check_value(spec: CheckSpec, node: Node, source: PromptfooSource) -> JsonValue:
    if (node.text or "").startswith(SCHEME):
        if spec.type == "python":
            return source.python_file(node.text or "", node)
        return plain(source.value_file(node.text or "", node))
    return plain(node)


def _written_messages(node: Node) -> tuple[ChatMessage, ...]:
    """Return the messages of a mapping's `ask` or `messages`, none where it has neither. Raises SuiteError."""
    ask, messages = node.get("ask"), node.get("messages")
    if ask is not None and messages is not None:
        raise refusal(messages, "`ask` and `messages` both say what is asked; keep one")
    if messages is not None:
        return chat_messages(messages, "`messages`")
    return () if ask is None else (user_message(text(ask, "`ask`") or ""),)


def _filled(node: Node, variables: Variables) -> Node:
    """Return the texts below a node with variables filled in. Raises SuiteError for one that is not there."""

    def examine(template: Template, text: Node) -> None:
        if missing := sorted(template.names - variables.keys()):
            raise refusal(text, f"{{{{{missing[0]}}}}} names no input of the case and no column of its row")

    return fill_node(node, variables, examine)
