"""A row of a dataset: what a dialect says of its keys, and the case that it makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from evals.cases import Case, CheckSpec, SourceLine, SuiteError
from evals.suites.cases_by_id import DEFAULT_TURNS, case_terms
from evals.suites.conversation import asked, texts
from evals.suites.json_tree import parse_json
from evals.suites.values import place_of, plain, plain_mapping, refusal
from gateway.config.nodes import Node

FACTUALITY_NOTE = "the dataset has no checks of its own: each answer is judged against its reference (`factuality`)"
_TOOL_KEYS = ("expected_tools", "expectedTools", "reference_tool_calls")
_ARGUMENT_KEYS = ("args", "arguments", "input_parameters", "inputParameters")


@dataclass(frozen=True, slots=True)
class RowDialect:
    """A dialect whose files are rows.

    `marks` are sets of keys, one of which must be there whole; `known` are all keys it has, `refused` those that are
    not supported, with the reason. `read` makes a case of a row. `note` says how answers are checked.
    """

    name: str
    marks: tuple[frozenset[str], ...]
    known: frozenset[str]
    read: Callable[[Node], Case]
    note: str = FACTUALITY_NOTE
    refused: Mapping[str, str] = field(default_factory=dict)

    def is_marked(self, keys: frozenset[str]) -> bool:
        """Return whether the keys hold what makes a row one of this dialect."""
        return any(mark <= keys for mark in self.marks)


def marks(*alternatives: str) -> tuple[frozenset[str], ...]:
    """Return sets of keys, each written as words."""
    return tuple(frozenset(words.split()) for words in alternatives)


def row_case(
    row: Node,
    question: Node,
    expected: str | None,
    checks: tuple[CheckSpec, ...] | None = None,
    *,
    context: tuple[str, ...] = (),
    id_key: str = "id",
    metadata_key: str = "metadata",
) -> Case:
    """Return the case of a row. Without `checks` its answer is judged against the reference. Raises SuiteError."""
    messages, inputs = asked(question, "the question")
    return finished_case(
        row,
        Case(id_of(row, id_key), messages, place_of(row), inputs, checks or (), expected, context),
        metadata_key,
        is_judged=checks is None,
    )


def finished_case(row: Node, case: Case, metadata_key: str = "metadata", *, is_judged: bool = True) -> Case:
    """Return the case with the terms of its metadata and, where it has none, the check of its reference."""
    node = row.get(metadata_key)
    terms = case_terms(plain_mapping(cell_value(node), f"`{metadata_key}`"), place_of(node or row))
    checks = case.checks
    if is_judged and not checks and case.expected is not None:
        checks = (CheckSpec("factuality", case.place, value=case.expected),)
    return Case(
        id=case.id,
        messages=case.messages,
        place=case.place,
        inputs=case.inputs,
        checks=checks,
        expected=case.expected,
        context=case.context,
        critical=terms.critical,
        max_turns=terms.max_turns if terms.max_turns != DEFAULT_TURNS else case.max_turns,
        tool_results=terms.tool_results,
        metadata={**_expected_tools(row), **terms.metadata},
    )


def _expected_tools(row: Node) -> dict[str, JsonValue]:
    """Return the tools that a row expects with their arguments, as scorers out of process get them."""
    for key in _TOOL_KEYS:
        node = cell_value(row.get(key))
        tools = [_expected_tool(each) for each in ((node.items or (node,)) if node is not None else ())]
        named: list[JsonValue] = [tool for tool in tools if tool["name"] is not None]
        if named:
            return {"expected_tools": named}
    return {}


def _expected_tool(node: Node) -> dict[str, JsonValue]:
    name = node.get("name") if node.entries else node
    given = next((node.entries[key] for key in _ARGUMENT_KEYS if key in node.entries), None)
    return {"name": None if name is None else name.text, "arguments": {} if given is None else plain(given)}


def id_of(row: Node, key: str) -> str:
    """Return the id that a row has, '' where it has none."""
    node = row.get(key)
    if node is None or node.value in (None, ""):
        return ""
    if isinstance(node.value, tuple | Mapping):
        raise refusal(node, "an id must be text or a number")
    return str(node.value)


def any_of(kind: str, values: tuple[str, ...], place: SourceLine) -> tuple[CheckSpec, ...]:
    """Return a check that one of the values meets: with several, a set of which one must pass."""
    children = tuple(CheckSpec(kind, place, value=value) for value in values)
    if len(children) < 2:
        return children
    return (CheckSpec("assert-set", place, threshold=1 / len(children), children=children),)


def cell_value(node: Node | None) -> Node | None:
    """Return what a cell of a table spells as JSON, where it does; None for an empty cell."""
    if node is None or node.text is None:
        return node
    if not node.text.strip():
        return None
    return parsed_cell(node) if node.text.lstrip()[:1] in "[{" else node


def parsed_cell(node: Node) -> Node:
    """Return the value that a text spells as JSON, each part at the text's line; the text itself where it is none."""
    try:
        parsed = parse_json(node.text or "", node.file, node.line)
    except SuiteError:
        return node
    return parsed


def tool_check(row: Node, key: str, name: str) -> tuple[CheckSpec, ...]:
    """Return the check that the tools which a list names were called; none for no list. Raises SuiteError."""
    node = cell_value(row.get(key))
    if node is None or node.value is None or node.value == ():
        return ()
    names: list[JsonValue] = []
    for each in node.items or (node,):
        called = each.get(name) if each.entries else each
        if called is None or called.text is None:
            raise refusal(each, f"a tool of `{key}` needs a `{name}`")
        names.append(called.text)
    return (CheckSpec("trajectory:tool-used", place_of(node), value=names),)


def listed_texts(row: Node, *keys: str) -> tuple[str, ...]:
    """Return the texts under the first of the keys that is there."""
    for key in keys:
        if (node := cell_value(row.get(key))) is not None and node.value is not None:
            return texts(node, f"`{key}`")
    return ()


def first(row: Node, *keys: str) -> Node | None:
    """Return the value of the first key that is there and not empty."""
    return next((node for key in keys if (node := row.get(key)) is not None and node.value not in (None, "")), None)


def question_of(row: Node, *keys: str) -> Node:
    """Return what is asked. Raises SuiteError where it is empty."""
    node = first(row, *keys)
    if node is None:
        raise refusal(row, f"`{keys[0]}` is empty: nothing is asked")
    return node
