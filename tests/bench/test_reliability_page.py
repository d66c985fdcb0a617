"""The page on reliability names tests and scripts that there are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ROWS = [line for line in PAGE.partition("<!-- bench.soak begins -->")[0].splitlines() if line.startswith("| ")]


def test_the_page_has_been_read() -> None:
    """What follows would hold of an empty page."""
    assert len(TESTS) > 50


@pytest.mark.parametrize("path", sorted({path for path, _ in TESTS}))
def test_every_test_that_is_named_is_there(path: str) -> None:
    """By its file and its name."""
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert {name for named, name in TESTS if named == path} <= defined


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`python -m (bench\.\w+)`", PAGE))))
def test_every_script_that_is_named_is_there(module: str) -> None:
    """As a module of `bench`."""
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_every_promise_names_what_shows_it() -> None:
    """A row has four columns, and the last one names a test."""
    promises = [row for row in ROWS if not row.startswith("| fault ")]
    assert [row for row in promises if "`tests/" not in row.split(" | ")[-1]] == []
