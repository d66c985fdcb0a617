"""Serinus's own suites: what a few lines say, also over somebody else's rows."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from evals.cases import Suite, SuiteError
from evals.checks import check_problems
from evals.suites import read_suite
from evals.suites.documents import parse_yaml
from evals.suites.native_file import CaseTemplate, NativeSuite
from gateway.config.schema import render, schema_of
from tests.architecture import ROOT

SCHEMA = ROOT / "config" / "schema" / "suite.json"
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*/su*.yaml"))


def suite(folder: Path, text: str, **rows: object) -> Suite:
    """Return the suite of a text beside files of JSON lines."""
    for name, each in rows.items():
        assert isinstance(each, list)
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, each)))
    (folder / "suite.yaml").write_text(text)
    return read_suite(folder / "suite.yaml")


def refused(folder: Path, text: str, **rows: object) -> str:
    """Return why the suite is refused."""
    with pytest.raises(SuiteError) as error:
        suite(folder, text, **rows)
    return str(error.value)


def test_the_shipped_schema_is_fresh() -> None:
    """What editors read is what the reader takes; `serinus schema` writes it anew."""
    assert SCHEMA.read_text("utf-8") == render(schema_of(NativeSuite))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_the_schema_holds_what_is_read(file: Path) -> None:
    """A suite that is read holds to the schema; one with a key that nobody knows does not."""
    root = (
        yaml.safe_load(file.read_text()) if file.parent.name == "a-bomb" else parse_yaml(file.read_text(), "f").plain()
    )
    assert isinstance(root, dict)
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    is_valid = validator.is_valid(root)
    reads = "refused: " not in (file.parent / "outcome.txt").read_text()
    assert is_valid or not reads
    assert not validator.is_valid({**root, "nosuch": 1})


def test_every_key_is_described() -> None:
    """Meaning and default, for editors and for the manual."""
    for model in (NativeSuite, CaseTemplate):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert field.is_required() or "Default: " in field.description or field.default is not None, name


def test_a_case_says_more_than_the_defaults(tmp_path: Path) -> None:
    """What it says itself counts; mappings are taken together, and checks come after those of the defaults."""
    case = suite(
        tmp_path,
        "defaults: {inputs: {plan: free, tier: '1'}, critical: true, max_turns: 2, threshold: 0.5,"
        " expected: 'a {{plan}}',"
        " metadata: {team: x}, tool_results: {a: 1}, expect: [{contains: '{{plan}}'}]}\n"
        "cases: [{ask: Hi, inputs: {plan: pro}, critical: false, max_turns: 3, metadata: {id: 7}, tool_results: {b: 2},"
        " expect: [is-json]}]\n",
    ).cases[0]
    assert case.inputs == {"plan": "pro", "tier": "1"}
    assert (case.critical, case.max_turns, case.threshold, case.expected) == (False, 3, 0.5, "a pro")
    assert (case.metadata, case.tool_results) == ({"team": "x", "id": 7}, {"a": 1, "b": 2})
    assert [(check.type, check.value) for check in case.checks] == [("contains", "pro"), ("is-json", None)]


def test_nothing_is_filled_into_a_cases_own_texts(tmp_path: Path) -> None:
    """A question about templates is asked as it is written."""
    case = suite(tmp_path, "cases: [{ask: 'What is {{x}}?', expect: [{contains: '{{x}}'}]}]\n").cases[0]
    assert (case.messages[0]["content"], case.checks[0].value) == ("What is {{x}}?", "{{x}}")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("is-json", ("is-json", None, False, None, 1.0)),
        ("not-is-refusal", ("is-refusal", None, True, None, 1.0)),
        ({"not-contains": "a"}, ("contains", "a", True, None, 1.0)),
        ({"similar": "a", "threshold": 0.9, "weight": 0}, ("similar", "a", False, 0.9, 0.0)),
        ({"is-json": {"type": "object"}}, ("is-json", {"type": "object"}, False, None, 1.0)),
        ({"any": ["is-json", {"contains": "a", "weight": 3}]}, ("assert-set", None, False, 0.25, 1.0)),
        ({"all": ["is-json"]}, ("assert-set", None, False, None, 1.0)),
        ({"any": [{"contains": "a"}, {"contains": "b"}], "threshold": 1}, ("assert-set", None, False, 1.0, 1.0)),
    ],
)
def test_an_expectation_is_a_check(tmp_path: Path, entry: object, expected: tuple[Any, ...]) -> None:
    """A name, or a name with a value; `any` is passed where one of its checks is."""
    text = yaml.safe_dump({"cases": [{"ask": "Hi", "expect": [entry]}]})
    check = suite(tmp_path, text).cases[0].checks[0]
    assert (check.type, check.value, check.negated, check.threshold, check.weight) == expected


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"contains": "a", "equals": "b"}, "a check has one name"),
        ({"threshold": 0.5}, "a check has one name"),
        ({"contains": "a", "weight": -1}, "`weight` must be at least 0"),
        ({"contains": "a", "threshold": "x"}, "`threshold` must be a number"),
        ({"any": []}, "`any` holds a list of checks"),
        ({"all": "is-json"}, "`all` holds a list of checks"),
        ({"contains": "a", "transform": "output.x"}, "`transform` is JavaScript"),
        ({"contains": "file://no.txt"}, "does not exist"),
        ({"python": "file://no.py"}, "does not exist"),
    ],
)
def test_a_wrong_expectation_is_refused(tmp_path: Path, entry: object, words: str) -> None:
    """With its line."""
    found = refused(tmp_path, yaml.safe_dump({"cases": [{"ask": "Hi", "expect": [entry]}]}))
    assert words in found
    assert "suite.yaml:" in found


def test_values_may_stand_in_files(tmp_path: Path) -> None:
    """A schema in one of JSON, a rubric in one of text, and Python in its own."""
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    (tmp_path / "rubric.md").write_text("Kind.\n")
    (tmp_path / "judge.py").write_text("")
    expect = [{"is-json": "file://schema.json"}, {"llm-rubric": "file://rubric.md"}, {"python": "file://judge.py:f"}]
    checks = suite(tmp_path, yaml.safe_dump({"cases": [{"ask": "Hi", "expect": expect}]})).cases[0].checks
    assert [check.value for check in checks] == [{"type": "object"}, "Kind.", f"file://{tmp_path}/judge.py:f"]


def test_rows_of_any_keys_are_cases(tmp_path: Path) -> None:
    """The defaults say what is asked; a row's own id is kept, and its columns are known by their names."""
    rows = [
        {"id": 7, "text": "It is broken", "label": {"team": "Hardware"}},
        {"text": "{{label}}", "label": {"team": "x"}},
    ]
    found = suite(
        tmp_path,
        "cases: file://rows.jsonl\n"
        "defaults: {messages: [{role: user, content: 'Who? {{text}}'}], inputs: {team: '{{label.team}}'},"
        " expected: '{{label.team}}', expect: [{equals: '{{label.team}}'}]}\n",
        rows=rows,
    )
    first, second = found.cases
    assert (first.id, first.messages[0]["content"], first.expected) == ("7", "Who? It is broken", "Hardware")
    assert (first.inputs, first.checks[0].value) == ({"team": "Hardware"}, "Hardware")
    assert second.messages[0]["content"] == "Who? {{label}}"


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    """In the line of the text that needs it."""
    text = "cases: file://rows.jsonl\ndefaults:\n  ask: '{{txt}}'\n"
    assert "suite.yaml:3: {{txt}} names no input of the case" in refused(tmp_path, text, rows=[{"text": "a"}])


def test_a_dataset_keeps_its_checks_unless_the_suite_has_some(tmp_path: Path) -> None:
    """And a note says which they are."""
    rows = [{"input": "Hi", "ideal": "Ho", "metadata": {"critical": True}}]
    own = suite(tmp_path, "cases: file://rows.jsonl\ndefaults: {max_turns: 3}\n", rows=rows)
    assert (own.cases[0].checks[0].type, own.cases[0].critical, own.cases[0].max_turns) == ("starts-with", True, 3)
    assert "class `Match`" in own.notes[0]
    ours = suite(tmp_path, "cases: file://rows.jsonl\ndefaults: {expect: [is-json]}\n", rows=rows)
    assert ([check.type for check in ours.cases[0].checks], ours.notes) == (["is-json"], ())


def test_a_check_of_a_dataset_may_use_the_reference(tmp_path: Path) -> None:
    """By the name `expected`, whatever the dialect calls it."""
    rows = [{"input": "Hi", "ideal": "Ho"}]
    read = suite(tmp_path, "cases: file://rows.jsonl\ndefaults: {expect: [{icontains: '{{expected}}'}]}\n", rows=rows)
    assert (read.cases[0].checks[0].type, read.cases[0].checks[0].value) == ("icontains", "Ho")


def test_files_stand_between_cases(tmp_path: Path) -> None:
    """Rows of any dialect, and a whole suite of promptfoo, such as `serinus review export` writes."""
    config = {
        "prompts": ["Say {{word}}"],
        "tests": [{"vars": {"word": "Ho"}, "assert": [{"type": "contains", "value": "Ho"}]}],
    }
    (tmp_path / "reviewed.json").write_text(json.dumps(config))
    text = "cases: [{ask: Hello}, file://rows.jsonl, file://reviewed.json]\ndefaults: {expect: [not-truncated]}\n"
    read = suite(tmp_path, text, rows=[{"input": "Hi", "ideal": "Ho"}])
    assert [case.messages[-1]["content"] for case in read.cases] == ["Hello", "Hi", "Say Ho"]
    checks = [[spec.type for spec in case.checks] for case in read.cases]
    assert checks == [["truncated"], ["truncated"], ["truncated", "contains"]]
    assert read.files.keys() == {"suite.yaml", "rows.jsonl", "reviewed.json"}
    assert "or the path of a file: file://" in refused(tmp_path, "cases: [rows.jsonl]\n")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Keys, cases and checks, each once."""
    lines = [
        "repeats: 3",
        "cases:",
        "  - ask: a",
        "    expect: [sort-of]",
        "  - {ask: b, messages: [c]}",
        "  - {threshold: x, ask: d}",
    ]
    (tmp_path / "suite.yaml").write_text("\n".join(lines))
    with pytest.raises(SuiteError) as caught:
        read_suite(tmp_path / "suite.yaml", check_problems)
    assert [problem.line for problem in caught.value.problems] == [1, 4, 5, 6]
    assert "sort-of" in str(caught.value) and "repeats: unknown key" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cases: rows.jsonl\n", "suite.yaml:1: `cases` must be a list, or the path of a file"),
        ("cases: file://nowhere.jsonl\n", "does not exist"),
        ("cases: file://rows.jsonl\n", "no dialect has the keys text"),
        (
            "cases: file://rows.jsonl\ndefaults: {ask: a, messages: [{role: user, content: b}]}\n",
            "both say what is asked",
        ),
        ("cases: [{id: a, ask: x}, {id: a, ask: y}]\n", "the id 'a' stands twice"),
        ("cases: [{id: a, ask: x}]\ndelay: 1\n", "delay: write a duration"),
        ("cases: []\n", "cases: must not be empty"),
        ("cases: 7\n", "cases: must be a list"),
    ],
)
def test_a_wrong_suite_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """In a sentence with the file, the line and the key."""
    assert words in refused(tmp_path, text, rows=[{"text": "a"}])
