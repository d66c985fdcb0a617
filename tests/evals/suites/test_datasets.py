"""Rows of other tools' datasets: what is asked, what is expected, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.cases import Case, SuiteError
from evals.suites import read_suite


def case(folder: Path, row: dict[str, Any]) -> Case:
    """Return the case of a row."""
    (folder / "rows.jsonl").write_text(json.dumps(row))
    return read_suite(folder / "rows.jsonl").cases[0]


def refused(folder: Path, row: dict[str, Any]) -> str:
    """Return why the row is refused."""
    with pytest.raises(SuiteError, match=r"rows\.jsonl:1: ") as error:
        case(folder, row)
    return str(error.value)


@pytest.mark.parametrize(
    ("question", "asked", "inputs"),
    [
        ("Hi", "Hi", {}),
        ([{"role": "user", "content": "Hi", "weight": 1}], "Hi", {}),
        ({"anything": "Hi"}, "Hi", {}),
        ({"question": "Hi", "plan": "pro", "n": 1}, "Hi", {"plan": "pro", "n": 1}),
        ({"input": "Hi", "question": "no"}, "Hi", {"question": "no"}),
        ({"messages": [{"role": "user", "content": "Hi"}], "x": None}, "Hi", {"x": None}),
        ({"input": {"query": "Hi"}}, "Hi", {}),
    ],
)
def test_an_input_is_a_question(tmp_path: Path, question: object, asked: str, inputs: dict[str, Any]) -> None:
    """A text, messages, or a mapping that holds one by a name that is known; the rest are variables."""
    found = case(tmp_path, {"input": question, "expected": "x"})
    assert (found.messages, found.inputs) == (({"role": "user", "content": asked},), inputs)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("", "`input` is empty"),
        (None, "`input` is empty"),
        ({}, "says not what is asked"),
        ({"a": "x", "b": "y"}, "says not what is asked"),
        ({"question": 7}, "says not what is asked"),
        ([], "must be a list of 1 to 2,000 messages"),
        ([{"role": "user"}], "a message needs a `content`"),
        ([{"role": "user", "content": 7}], "must be text or a list of parts"),
        ([{"role": "robot", "content": "x"}], "a message needs a `role`"),
        (["x"], "a message needs a `role`"),
    ],
)
def test_what_asks_nothing_is_refused(tmp_path: Path, question: object, words: str) -> None:
    """Rather than asking something by chance."""
    assert words in refused(tmp_path, {"input": question, "expected": "x"})


@pytest.mark.parametrize(
    ("expected", "reference"),
    [
        ("x", "x"),
        ({"answer": "x"}, "x"),
        ({"role": "assistant", "content": "x"}, "x"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x"}]}, "x"),
        ({"a": 1, "b": "c"}, '{"a":1,"b":"c"}'),
        (7, "7"),
        (None, None),
    ],
)
def test_an_output_is_a_reference(tmp_path: Path, expected: object, reference: str | None) -> None:
    """The text of an answer, or the whole value as JSON; where there is none, nothing is judged."""
    found = case(tmp_path, {"input": "Hi", "expected": expected})
    assert found.expected == reference
    assert [check.value for check in found.checks] == ([] if reference is None else [reference])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"input": "a", "ideal": ""}, "an ideal answer is empty"),
        ({"input": "a", "ideal": None}, "`ideal` is empty"),
        ({"input": "a", "ideal": ["x", 7]}, "must be a text or a list of texts"),
        ({"item": 7}, "`item` must be a mapping"),
        ({"item": {"input": "a", "ideal": "b"}, "sample": {}}, "'sample' is not supported"),
        ({"input": "a", "target": ""}, "`target` is empty"),
        ({"input": "a", "target": ["x", ""]}, "a target is empty"),
        ({"input": "a", "target": "b", "files": {}}, "no sandbox is started"),
        ({"user_input": [{"type": "robot", "content": "x"}], "reference": "a"}, "`type` must be one of"),
        ({"user_input": "a", "rubrics": {}}, "write what is judged as a check"),
        ({"inputs": {"q": "a"}, "outputs": {"a": "b"}, "attachments": []}, "'attachments' is not supported"),
        ({"input": "a", "expected_output": "b", "expected_tools": [{}]}, "a tool of `expected_tools` needs a `name`"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "nothing is asked before"),
        ({"messages": []}, "must be a list of 1"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{}]}]},
            "a tool call needs",
        ),
        ({"messages": [{"role": "user", "content": "a"}], "preferred_output": []}, "a preference between two"),
        ({"input": "a", "expected": "b", "id": [1]}, "an id must be text or a number"),
        ({"input": "a", "expected": "b", "id": "x" * 201}, "an id has at most 200"),
        ({"input": "a", "expected": "b", "metadata": 7}, "`metadata` must be a mapping"),
    ],
)
def test_a_wrong_row_is_refused(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    """By name, with its line."""
    assert words in refused(tmp_path, row)


def test_every_row_is_told_of(tmp_path: Path) -> None:
    """Not the first alone."""
    rows = [{"input": "a", "ideal": "b", "x": 1}, {"input": "a"}, {"input": "", "ideal": "b"}, 7]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows[:3])))
    with pytest.raises(SuiteError) as error:
        read_suite(tmp_path / "rows.jsonl")
    assert [problem.line for problem in error.value.problems] == [1, 2, 3]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(SuiteError, match=r"rows\.jsonl:4: a file of cases holds a list of mappings"):
        read_suite(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("text", ["[]", "7", '{"data": []}', "[[]]", '[{"input": "a", "ideal": "b"}, []]'])
def test_what_holds_no_rows_is_refused(tmp_path: Path, text: str) -> None:
    """A list of mappings, or one in a wrapper of an export."""
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(SuiteError, match=r"rows\.json:1: "):
        read_suite(tmp_path / "rows.json")


def test_python_of_a_table_is_never_run(tmp_path: Path) -> None:
    """Lists that pandas writes are read as literals; a call stays text, and so does what is too deep."""
    contexts = "\"__import__('os').system('touch x')\""
    (tmp_path / "t.csv").write_text(f'user_input,retrieved_contexts,reference\nHi,{contexts},a\nHo,"{"[" * 5000}",b\n')
    found = read_suite(tmp_path / "t.csv")
    assert found.cases[0].context == ("__import__('os').system('touch x')",)
    assert not (tmp_path / "x").exists()
