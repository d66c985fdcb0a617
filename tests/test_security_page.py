"""docs/security.md names a test for each control, and each of these tests exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ROWS = [line for line in PAGE.split("## What is not defended")[0].splitlines() if line.startswith("| ")]


def names_of(path: str) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_every_named_test_exists(path: str) -> None:
    """A test that was renamed or removed is missed by whoever reads the page."""
    assert {name for each, name in NAMED if each == path} <= names_of(path)


def test_every_threat_has_a_test() -> None:
    """A row of the model has its asset, its path, its control, and at least one test."""
    threats = [row for row in ROWS if not row.startswith("| asset")]
    assert len(threats) > 40
    assert [row for row in threats if row.count("|") != 5 or not re.search(r"\| `tests/[^|]*` \|$", row)] == []
