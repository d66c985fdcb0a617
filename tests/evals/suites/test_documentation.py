"""The manual of suites says what the readers do: every key of every dialect, and every example."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from evals.suites import cases_by_id, json_tree, read_suite, template, values
from evals.suites.conversation import MAX_MESSAGES, QUESTIONS
from evals.suites.datasets.detection import DIALECTS, WRAPPERS
from evals.suites.datasets.rows import RowDialect
from evals.suites.native_file import NativeCase, NativeSuite
from evals.suites.promptfoo import assertions, config, prompts, tests
from gateway.config import suite_files
from tests.architecture import ROOT

MANUAL = (ROOT / "docs" / "suites.md").read_text("utf-8")
(SAMPLE,) = re.findall(r"```json\n(.*?)```", MANUAL, re.DOTALL)
Keys = Iterable[str]
PROMPTFOO: dict[str, tuple[Keys, Keys, Keys]] = {
    "the file": (config.READ, (*config.REPLACED, *config.WITHOUT_EFFECT), config.REFUSED),
    "run options": (config.OPTIONS, config.IDLE_OPTIONS, ()),
    "a prompt": (prompts.KEYS, (), prompts.REFUSED),
    "a test": (tests.TEST_KEYS, (), tests.REFUSED_KEYS),
    "options of a test": (tests.OPTIONS, (), tests.REFUSED_OPTIONS),
    "an assertion": (("$ref", *assertions.KEYS), (), assertions.REFUSED),
}


def cells(first: str) -> list[str]:
    """Return the cells of the row of a table that begins with this one."""
    line = next(line for line in MANUAL.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def words(cell: str) -> set[str]:
    """Return what stands in backticks."""
    return set(re.findall(r"`([^`]+)`", cell))


def snake(key: str) -> str:
    """Return a key of DeepEval in the spelling of the manual."""
    return re.sub("([A-Z])", lambda letter: f"_{letter[1].lower()}", key)


@pytest.mark.parametrize("place", PROMPTFOO)
def test_the_manual_knows_every_key_of_promptfoo(place: str) -> None:
    """What is read, what changes nothing, and what is refused."""
    assert [words(cell) for cell in cells(place)[1:]] == [set(keys) for keys in PROMPTFOO[place]]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_the_manual_knows_every_dialect(dialect: RowDialect) -> None:
    """By its marks, its other keys, and those that are refused."""
    _, marked, others, _, refused = cells(f"`{dialect.name}`")
    spelt = snake if dialect.name.startswith("deepeval") else str
    assert words(refused) == {spelt(key) for key in dialect.refused}
    marks = {spelt(key) for mark in dialect.marks for key in mark if key not in dialect.refused}
    assert marks <= words(marked)
    if words(others) or dialect.name != "deepeval-conversations":
        assert words(marked) | words(others) == {spelt(key) for key in dialect.known - dialect.refused.keys()}


def test_the_manual_knows_every_key_of_our_own_suites() -> None:
    """A key that nobody can read about does not exist."""
    for key in (*NativeSuite.model_fields, *NativeCase.model_fields):
        assert cells(f"`{key}`")


@pytest.mark.parametrize("word", [*WRAPPERS, *QUESTIONS])
def test_the_manual_knows_the_names_that_are_looked_for(word: str) -> None:
    """Of wrappers and of questions."""
    assert f"`{word}`" in MANUAL.split("## Other datasets")[1]


def test_the_manual_knows_the_bounds() -> None:
    """Each as it is in the code."""
    assert f"{suite_files.MAX_FILE_BYTES // 2**20} MiB, {json_tree.MAX_VALUES:,} values" in cells("a file")[1]
    assert f"{suite_files.MAX_SUITE_BYTES // 2**20} MiB, {suite_files.MAX_FILES:,} files" in cells("all files")[1]
    suite = f"{values.MAX_CASES:,} cases, {prompts.MAX_PROMPTS:,} prompts, {cases_by_id.MAX_CHECKS:,} checks"
    assert f"{suite}, {cases_by_id.MAX_SUITE_TEXT:,} characters" in cells("a suite")[1]
    case = f"{tests.MAX_CASE_CHECKS:,} checks, {template.MAX_TEXT:,} characters when filled, {MAX_MESSAGES:,} messages"
    assert f"{case}, {cases_by_id.MOST_TURNS} turns" in cells("a case")[1]


@pytest.mark.parametrize("number", range(3))
def test_the_examples_of_the_manual_are_read(number: int, tmp_path: Path) -> None:
    """Each can be copied into a file."""
    blocks = re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "suite.yaml").write_text(blocks[number])
    (tmp_path / "tickets.jsonl").write_text('{"item": {"ticket_text": "Broken", "correct_label": "Hardware"}}\n')
    (tmp_path / "samples.jsonl").write_text(SAMPLE)
    assert read_suite(tmp_path / "suite.yaml").cases


def test_the_sample_of_the_manual_is_read(tmp_path: Path) -> None:
    """With the check that the manual says it has."""
    (tmp_path / "samples.jsonl").write_text(SAMPLE)
    assert read_suite(tmp_path / "samples.jsonl").cases[0].checks[0].type == "starts-with"
