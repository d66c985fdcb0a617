"""A table of tests: columns are variables, and those that begin with `__` say what is expected of the answer.

A cell of `__expected` is `type`, `type:value` or `type(threshold):value`; everything else is the text that the answer
must equal.
"""

import re

from evals.suites.promptfoo.source import CODE, SCHEME
from evals.suites.values import SuiteFindings, refusal
from gateway.config.nodes import Node, Value
from gateway.config.problems import quoted

# Every check that promptfoo knows. In this order: `similar:cosine:…` is read as `similar`, as promptfoo does.
_TYPES = (
    *("agent-rubric", "answer-relevance", "bleu", "classifier", "contains", "contains-all", "contains-any"),
    *("contains-html", "contains-json", "contains-sql", "contains-xml", "context-faithfulness", "context-recall"),
    *("context-relevance", "conversation-relevance", "cost", "equals", "factuality", "finish-reason", "g-eval"),
    *("gleu", "guardrails", "icontains", "icontains-all", "icontains-any", "is-html", "is-json", "is-refusal"),
    *("is-sql", "is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call", "is-xml"),
    *("javascript", "latency", "levenshtein", "llm-rubric", "pi", "meteor", "model-graded-closedqa"),
    *("model-graded-factuality", "moderation", "perplexity", "perplexity-score", "python", "regex", "rouge-n"),
    *("ruby", "similar", "similar:cosine", "similar:dot", "similar:euclidean", "starts-with", "tool-call-f1"),
    *("skill-used", "trajectory:goal-success", "trajectory:tool-args-match", "trajectory:step-count"),
    *("trajectory:tool-sequence", "trajectory:tool-used", "trace-error-spans", "trace-span-count"),
    *("trace-span-duration", "search-rubric", "webhook", "word-count"),
)
_EXPECTATION = re.compile(
    rf"(not-)?({'|'.join(map(re.escape, _TYPES))})(?:\(([0-9]+(?:\.[0-9]+)?)\))?(?::(.*))?", re.DOTALL
)
_LISTS = ("contains-all", "contains-any", "icontains-all", "icontains-any")
_AS_WRITTEN = ("contains-json", "is-json")
# Checks that have a threshold in a table also where none is written.
_WITH_THRESHOLD = (
    *("answer-relevance", "classifier", "context-faithfulness", "context-recall", "context-relevance", "cost"),
    *("latency", "levenshtein", "perplexity-score", "perplexity", "rouge-n", "similar", "starts-with"),
)
_THRESHOLD = 0.75
_SIMILARITY = 0.8
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\]|\\|"")*+)"')  # it takes all it can, and never tries again
_ESCAPED = re.compile(r'\\(["\\])|""')
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,2})?")
_EXPECTED = re.compile(r"__expected([0-9]{0,4})")
_CONFIG = re.compile(r"__config:__expected([0-9]{0,4}):(\w+)")
_LIST_METADATA = re.compile(r"(?<!\\),")
_PREFIXES = {"javascript:": "javascript", "fn:": "javascript", "eval:": "javascript"}
_SPECIAL = (
    "expected",
    "prefix",
    "suffix",
    "description",
    "providerOutput",
    "metric",
    "threshold",
    "metadata",
    "config",
)


def test_of_row(row: Node, findings: SuiteFindings) -> Node:
    """Return the test that a row of a table stands for, as it would be written in YAML."""
    entries: dict[str, Node] = {}
    variables: dict[str, Node] = {}
    metadata: dict[str, Node] = {}
    asserts = _asserts(row, findings)
    for column, cell in row.entries.items():
        content = cell.text or ""
        if column in ("__prefix", "__suffix"):
            options = entries.get("options", _node({}, row)).entries
            entries["options"] = _node({**options, column[2:]: cell}, row)
        elif column == "__description":
            entries["description"] = cell
        elif column == "__threshold":
            if content.strip():
                entries["threshold"] = _number(cell, column, findings)
        elif column.startswith("__metadata:"):
            if content.strip():
                key = column.removeprefix("__metadata:")
                metadata[key.removesuffix("[]")] = _metadata(cell) if key.endswith("[]") else cell
        elif column.startswith("_") and not _is_read(column):
            findings.add(cell, _column_problem(column))
        elif not column.startswith("__"):
            variables[column] = cell
    entries["vars"] = _node(variables, row)
    entries["assert"] = _node(tuple(asserts), row)
    entries["metadata"] = _node(metadata, row)
    return _node(entries, row)


def expectation(cell: Node) -> Node:
    """Return the assertion that a cell stands for. Raises SuiteError."""
    written = (cell.text or "").strip()
    if written.startswith(SCHEME) and written.endswith(CODE):
        return _assertion("javascript", written, None, cell)
    for prefix, kind in _PREFIXES.items():
        if written.startswith(prefix):
            return _assertion(kind, written.removeprefix(prefix).strip(), None, cell)
    if written.startswith(("grade:", "llm-rubric:")):
        return _assertion("llm-rubric", written.partition(":")[2], None, cell)
    if written.startswith("python:") or (written.startswith(SCHEME) and (written.endswith(".py") or ".py:" in written)):
        return _assertion("python", written.removeprefix("python:").strip(), None, cell)
    found = _EXPECTATION.fullmatch(written)
    if found is None:
        return _assertion("equals", written, None, cell)
    negation, kind, threshold, value = found.groups()
    name = f"{negation or ''}{kind}"
    if kind in _LISTS:
        return _assertion(name, tuple(_listed(value or "", cell)), None, cell)
    if kind in _AS_WRITTEN:
        return _assertion(name, value, None, cell)
    least = float(threshold) if threshold else None
    if kind in _WITH_THRESHOLD:
        usual = _SIMILARITY if kind == "similar" else _THRESHOLD
        least = usual if least is None else least
    else:
        least = None
    return _assertion(name, None if value is None else value.strip(), least, cell)


def _asserts(row: Node, findings: SuiteFindings) -> list[Node]:
    """Return the assertions of a row, with the settings that its other columns have for them."""
    asserts: list[Node] = []
    metric = row.get("__metric")
    for column, cell in row.entries.items():
        if _EXPECTED.fullmatch(column) and (cell.text or "").strip():
            with findings.collecting():
                made = expectation(cell)
                named = {} if metric is None or not metric.text else {"metric": metric}
                asserts.append(_node({**made.entries, **named}, cell))
    for column, cell in row.entries.items():
        if not (found := _CONFIG.fullmatch(column)):
            continue
        index = int(found[1] or 1) - 1
        if found[2] != "threshold" or not 0 <= index < len(asserts):
            findings.add(
                cell, f"{quoted(column)} is not supported: it sets `threshold`, and of an expectation of the row"
            )
            continue
        asserts[index] = _node({**asserts[index].entries, "threshold": _number(cell, column, findings)}, cell)
    return asserts


def _is_read(column: str) -> bool:
    return column == "__metric" or bool(_EXPECTED.fullmatch(column) or _CONFIG.fullmatch(column))


def _column_problem(column: str) -> str:
    if not column.startswith("__"):
        meant = next((name for name in _SPECIAL if column.startswith(f"_{name}")), None)
        return f"the column {quoted(column)} begins with one '_'" + (f"; did you mean '_{column}'?" if meant else "")
    if column == "__metadata":
        return "the column '__metadata' needs a name, such as '__metadata:category'"
    if column == "__providerOutput":
        return "'__providerOutput' is not supported: the version under test answers"
    return f"the column {quoted(column)} is not supported; a variable's name does not begin with '__'"


def _number(cell: Node, column: str, findings: SuiteFindings) -> Node:
    content = (cell.text or "").strip()
    if not _NUMBER.fullmatch(content):
        findings.add(cell, f"{quoted(column)} must be a number, such as 0.8")
        return _node(None, cell)
    return _node(float(content), cell)


def _metadata(cell: Node) -> Node:
    parts = [part.strip().replace("\\,", ",") for part in _LIST_METADATA.split(cell.text or "")]
    return _node(tuple(_node(part, cell) for part in parts), cell)


def _listed(value: str, cell: Node) -> list[Node]:
    """Return the values between commas; one in double quotes may hold commas, and two quotes for one."""
    found, at = list[str](), 0
    while at < len(value):
        if value[at] in " \t\n\r,":
            at += 1
        elif value[at] == '"':
            content, at = _quoted_field(value, at, cell)
            found.append(content)
        else:
            end = value.find(",", at)
            end = len(value) if end < 0 else end
            found.append(value[at:end].strip())
            at = end
    return [_node(each, cell) for each in found]


def _quoted_field(value: str, at: int, cell: Node) -> tuple[str, int]:
    """Return the text between double quotes, the first of which is at the index, and where it ends."""
    found = _QUOTED.match(value, at)
    if found is None:
        raise refusal(cell, "a value in double quotes is not closed")
    rest = value[found.end() :].lstrip()[:1]
    if rest not in ("", ","):
        raise refusal(cell, "a comma is missing after a value in double quotes")
    return _ESCAPED.sub(lambda escape: escape[1] or '"', found[1]), found.end()


def _assertion(kind: str, value: str | tuple[Node, ...] | None, threshold: float | None, cell: Node) -> Node:
    entries = {"type": _node(kind, cell)}
    if value is not None:
        entries["value"] = _node(value, cell)
    if threshold is not None:
        entries["threshold"] = _node(threshold, cell)
    return _node(entries, cell)


def _node(value: Value, like: Node) -> Node:
    return Node(value, like.file, like.line, like.column)
