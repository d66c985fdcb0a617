"""Files as trees that know their lines: YAML with anchors, JSON, JSON lines and CSV, all of bounded size.

Every table of rows becomes a list of mappings, so that a dialect need not know what kind of file it stands in.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from evals.cases import SourceLine, SuiteError
from evals.suites.folder import SuiteFolder
from evals.suites.json_tree import MAX_VALUES, parse_json
from gateway.config.nodes import Node
from gateway.config.nodes import Path as TreePath
from gateway.config.problems import quoted
from gateway.config.strict_yaml import MAX_DEPTH, TooDeepError, TreeBuilder, UnreadableError, YamlEvent, decode, parse

TABLES = (".csv", ".jsonl", ".ndjson")
TREES = (".yaml", ".yml", ".json")
_MOST_COLUMNS = 1_000
_DATED = {
    ".xlsx": "Excel files are not read; save the sheet as CSV",
    ".xls": "Excel files are not read; save it as CSV",
}


def read_document(folder: SuiteFolder, path: Path, place: SourceLine) -> Node:
    """Return a file's content. Raises SuiteError with everything that is wrong with the file itself."""
    kind = path.suffix.lower()
    if kind not in (*TABLES, *TREES):
        known = "a file of cases ends with .yaml, .yml, .json, .jsonl or .csv"
        raise SuiteError([place.problem(_DATED.get(kind, f"{quoted(path.name)}: {known}"))])
    text, name = read_text(folder, path, place), folder.name(path)
    if kind == ".csv":
        return parse_csv(text, name)
    if kind == ".json":
        return parse_json(text, name)
    if kind in TABLES:
        return parse_json_lines(text, name)
    return parse_yaml(text, name)


def read_text(folder: SuiteFolder, path: Path, place: SourceLine) -> str:
    """Return a file as text, with line ends as `\\n`. Raises SuiteError."""
    content = folder.read(path, place)
    try:
        return decode(content)
    except UnreadableError as error:
        raise SuiteError([SourceLine(folder.name(path), error.line).problem(str(error))]) from None


def parse_yaml(text: str, name: str) -> Node:
    """Return the document in the text; anchors, aliases and merge keys are followed. Raises SuiteError."""
    try:
        parsed = parse(text, name, AliasingBuilder)
    except _TooManyValuesError as error:
        message = f"holds more than {MAX_VALUES:,} values, aliases followed; split the file"
        raise SuiteError([SourceLine(name, error.line).problem(message)]) from None
    if parsed.problems or parsed.root is None:
        raise SuiteError(parsed.problems)
    return parsed.root


def parse_json_lines(text: str, name: str) -> Node:
    """Return a list of the values, one a line; empty lines count for nothing. Raises SuiteError."""
    rows, problems = list[Node](), list[SuiteError]()
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(parse_json(line, name, number))
            except SuiteError as error:
                problems.append(error)
    if problems or not rows:
        listed = [problem for error in problems for problem in error.problems]
        raise SuiteError(listed or [SourceLine(name, 1).problem("the file is empty")])
    return Node(tuple(rows), name, 1, 1)


def parse_csv(text: str, name: str) -> Node:
    """Return a list of mappings from column to text, each with the line that it begins in. Raises SuiteError."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows, values, begins = list[Node](), 0, 1
    try:
        for fields in reader:
            place, begins = SourceLine(name, begins), reader.line_num + 1
            if not any(fields):
                continue
            if not header:
                header = _header(fields, place)
                continue
            values += len(fields)
            if len(fields) != len(header) or values > MAX_VALUES:
                raise SuiteError([place.problem(_miscounted(fields, header))])
            cells = {key: Node(cell, name, place.line, 1) for key, cell in zip(header, fields, strict=True)}
            rows.append(Node(cells, name, place.line, 1))
    except csv.Error as error:
        raise SuiteError([SourceLine(name, begins).problem(f"not CSV: {error}")]) from None
    if not rows:
        raise SuiteError([SourceLine(name, 1).problem("the file holds no rows below a line of column names")])
    return Node(tuple(rows), name, 1, 1)


def _header(fields: list[str], place: SourceLine) -> list[str]:
    names = [field.strip() for field in fields]
    if len(names) > _MOST_COLUMNS:
        raise SuiteError([place.problem(f"has more than {_MOST_COLUMNS:,} columns")])
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SuiteError([place.problem(f"the columns need names of their own; twice: {quoted(min(twice))}")])
    return names


def _miscounted(fields: list[str], header: list[str]) -> str:
    if len(fields) != len(header):
        return f"the row has {len(fields)} fields, the first line has {len(header)}; put text with commas in quotes"
    return f"holds more than {MAX_VALUES:,} values; split the file"


class _TooManyValuesError(Exception):
    """A document that is too large, or that grows so by its aliases, in this line."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class AliasingBuilder(TreeBuilder):
    """The strict rules, with anchors, aliases and merge keys.

    An alias counts as many values as it stands for: it costs nothing here, but whoever walks the tree meets them all.
    """

    def __init__(self, file: str, events: Iterator[YamlEvent]) -> None:
        super().__init__(file, events)
        self._values = 0
        self._reach = 0  # the deepest level that was met below the node that is being read
        self._anchors: dict[str, tuple[Node, int, int]] = {}  # with the node's size and height

    def node(self, event: YamlEvent, path: TreePath) -> Node:
        """Return the node that begins with this event, counted."""
        before, above = self._values, self._reach
        self._count(1, event)
        self._reach = len(path)
        node = super().node(event, path)
        if event.anchor is not None and not event.starts(yaml.AliasEvent):
            self._anchors[event.anchor] = (node, self._values - before, self._reach - len(path))
        self._reach = max(above, self._reach)
        return node

    def set_anchor(self, event: YamlEvent, node: Node, path: TreePath) -> None:
        """Allow the name; `node` keeps it with its size."""

    def resolve_alias(self, event: YamlEvent, path: TreePath) -> Node:
        """Return the node that the alias stands for, at the alias's line."""
        found = self._anchors.get(event.anchor or "")
        if found is None:
            self.note(event, path, f"no anchor &{event.anchor} stands above this alias")
            return Node(None, self.file, event.line, event.column)
        node, size, height = found
        self._count(size, event)
        self._reach = len(path) + height
        if self._reach > MAX_DEPTH:
            raise TooDeepError(event.line)
        return replace(node, line=event.line, column=event.column)

    def merge(self, event: YamlEvent, value: Node, entries: dict[str, Node], path: TreePath) -> None:
        """Take in the entries of a mapping, or of each mapping of a list, that are not there yet."""
        for each in value.items or (value,):
            if not each.entries and each.value != {}:
                self.note(event, path, "<< takes in a mapping, or a list of mappings")
            for key, node in each.entries.items():
                entries.setdefault(key, node)

    def _count(self, values: int, event: YamlEvent) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _TooManyValuesError(event.line)
