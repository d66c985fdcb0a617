"""A promptfoo suite while it is read: its files, its root for references, and what was found wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evals.scorers.evaluator import Evaluator
from evals.suites.documents import TREES, read_document, read_text
from evals.suites.folder import SuiteFolder
from evals.suites.values import SuiteFindings, place_of, refusal
from gateway.config.nodes import Node
from gateway.config.problems import quoted
from gateway.config.suite_files import MAX_FILES

SCHEME = "file://"
CODE = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts")
_PYTHON = re.compile(r"(?P<path>.+\.py)(?::(?P<function>[A-Za-z_][\w.]{0,200}))?")
_ELSEWHERE = re.compile(r"(?:https?|az|huggingface|langfuse|portkey|helicone|pf|s3|gs|exec|package):")
_MOST_REFERENCES = 16


@dataclass(frozen=True, slots=True)
class PromptfooSource:
    """Files, references and findings that the readers of a promptfoo suite share.

    `root` is the configuration; None for a lone file of tests.
    """

    folder: SuiteFolder
    root: Node | None = None
    findings: SuiteFindings = field(default_factory=SuiteFindings)
    documents: dict[Path, Node] = field(default_factory=dict)
    opened: list[Path] = field(default_factory=list)
    evaluators: dict[str, Evaluator] = field(default_factory=dict)  # by what is written
    notes: dict[str, None] = field(default_factory=dict)  # in order, each once

    def paths(self, reference: str, node: Node, base: Path | None = None) -> list[Path]:
        """Return the files that a reference names: a path or glob, with or without `file://`. Raises SuiteError."""
        if found := _ELSEWHERE.match(reference):
            raise refusal(node, f"{quoted(reference)} is not fetched ({found[0]}); keep a copy beside the suite")
        name = reference.removeprefix(SCHEME)
        if name.lower().endswith(CODE) or _PYTHON.fullmatch(name) or ".js:" in name or ".ts:" in name:
            raise refusal(node, f"{quoted(reference)} is code, which is not run here; keep what it makes in a file")
        return self.folder.matching(name, base or self.folder.base, place_of(node))

    def document(self, path: Path, node: Node) -> Node:
        """Return the tree of a file that a node names. Raises SuiteError, also where files are named too often."""
        self.opened.append(path)
        if len(self.opened) > MAX_FILES:
            raise refusal(node, f"the suite names files of tests more than {MAX_FILES:,} times")
        if path not in self.documents:
            self.documents[path] = read_document(self.folder, path, place_of(node))
        return self.documents[path]

    def text(self, path: Path, node: Node) -> str:
        """Return the text of a file that a node names. Raises SuiteError."""
        return read_text(self.folder, path, place_of(node))

    def python_file(self, reference: str, node: Node) -> str:
        """Return `file://PATH:FUNCTION` with an absolute path, of a Python file that is there. Raises SuiteError."""
        found = _PYTHON.fullmatch(reference.removeprefix(SCHEME))
        if found is None:
            raise refusal(node, f"{quoted(reference)} is code other than Python, which is not run; write it in Python")
        path = self.folder.locate(Path(found["path"]), place_of(node))
        self.folder.read(path, place_of(node))
        return f"{SCHEME}{path}:{found['function']}" if found["function"] else f"{SCHEME}{path}"

    def value_file(self, reference: str, node: Node) -> Node:
        """Return what a file holds: the tree of YAML or JSON, else its text. Raises SuiteError."""
        path = self.paths(reference, node)[0]
        if path.suffix.lower() in TREES:
            return self.document(path, node)
        return Node(self.text(path, node).strip(), node.file, node.line, node.column)

    def followed(self, node: Node) -> Node:
        """Return a mapping with its `$ref: '#/…'` followed; its own keys come first. Raises SuiteError."""
        for _ in range(_MOST_REFERENCES):
            reference = node.get("$ref")
            if reference is None:
                return node
            target = self._target(reference)
            own: Mapping[str, Node] = {key: each for key, each in node.entries.items() if key != "$ref"}
            node = Node({**target.entries, **own}, node.file, node.line, node.column)
        raise refusal(node, f"a `$ref` leads to another more than {_MOST_REFERENCES} times")

    def _target(self, reference: Node) -> Node:
        pointer = reference.text or ""
        if not pointer.startswith("#/"):
            raise refusal(
                reference, f"`$ref` must lead into this file, as '#/assertionTemplates/…' does; it is {quoted(pointer)}"
            )
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer[2:].split("/")]
        target = self.root.get(*steps) if self.root is not None else None
        if target is None or not target.entries:
            raise refusal(reference, f"`$ref` {quoted(pointer)} leads to no mapping of this file")
        return target
