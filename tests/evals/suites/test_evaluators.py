"""Evaluators as suites write them: by name, or within a check; what is wrong is told by file and line."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from evals.cases import Suite, SuiteError
from evals.checks import check_problems
from evals.scorers.evaluator import Evaluator, evaluator_of
from evals.suites import read_suite

NATIVE = """
evaluators:
  mine: {run: [python, scorer.py], timeout: 30s, processes: 3, env: [LICENCE], judge: openai/gpt-5.4-mini}
cases:
  - ask: Where is it?
    expect:
      - external: mine/mood
        threshold: 0.7
      - not-external: {evaluator: mine, metric: tone, settings: {language: en}}
"""
PROMPTFOO = """
prompts: ["{{q}}"]
tests:
  - vars: {q: "'; rm -rf"}
    assert:
      - {type: external, threshold: 0.5, value: {run: [./scorer, "{{q}}"], metric: mood}}
"""


def read(folder: Path, text: str, name: str = "suite.yaml") -> Suite:
    (folder / "scorer.py").touch()
    (folder / name).write_text(text)
    return read_suite(folder / name, check_problems)


def values_of(suite: Suite) -> list[Mapping[str, JsonValue]]:
    return [check.value for check in suite.cases[0].checks if isinstance(check.value, Mapping)]


def evaluator(suite: Suite) -> Evaluator:
    return evaluator_of(values_of(suite)[0])


def test_evaluators_have_names(tmp_path: Path) -> None:
    """A check names one, and perhaps a metric of it."""
    suite = read(tmp_path, NATIVE)
    found, (first, second) = evaluator(suite), values_of(suite)
    assert (found.name, found.run, found.cwd) == ("mine", ("python", "scorer.py"), str(tmp_path))
    assert (found.timeout, found.processes, found.env) == (30.0, 3, ("LICENCE",))
    assert (first["metric"], second["metric"], second["settings"]) == ("mood", "tone", {"language": "en"})
    assert suite.cases[0].checks[1].negated


def test_a_check_of_promptfoo_holds_the_command(tmp_path: Path) -> None:
    """Nothing is filled into it: a value would become code."""
    found = evaluator(read(tmp_path, PROMPTFOO, "promptfooconfig.yaml"))
    assert found.run == ("./scorer", "{{q}}") and found.name == "scorer"


def test_files_of_the_command_belong_to_the_suite(tmp_path: Path) -> None:
    """Those that it names, and those under `files`: an edit is another suite, and another evaluator."""
    text = NATIVE.replace("timeout", "files: ['lib/*.py'], timeout")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("a = 1")
    before = read(tmp_path, text)
    (tmp_path / "lib" / "a.py").write_text("a = 2")
    between = read(tmp_path, text)
    (tmp_path / "scorer.py").write_text("print()")
    after = read(tmp_path, text)
    assert len({each.sha256 for each in (before, between, after)}) == 3
    assert len({evaluator(each).sha256 for each in (before, between, after)}) == 3


def test_the_digest_does_not_depend_on_the_machine(tmp_path: Path) -> None:
    """The same suite elsewhere has the same digest: what was recorded in CI holds."""
    places = [tmp_path / "here", tmp_path / "there"]
    for place in places:
        place.mkdir()
    assert len({evaluator(read(place, NATIVE)).sha256 for place in places}) == 1


def test_adapters_stand_for_shipped_scripts(tmp_path: Path) -> None:
    """They need no path."""
    found = evaluator(read(tmp_path, NATIVE.replace("scorer.py", "adapter:deepeval")))
    assert found.run == ("python", "adapter:deepeval")
    assert Path(found.command[1]).name == "deepeval_adapter.py" and Path(found.command[1]).is_file()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("mine/mood", "mien/mood", 7, "unknown evaluator 'mien'; did you mean 'mine'"),
        ("mine/mood", "{run: [x]}", 7, "a check names an evaluator that the suite has under `evaluators`"),
        ("{evaluator: mine, metric", "{evaluator: mine, timeout: 1s, metric", 9, "'timeout' belongs to the evaluator"),
        ("timeout: 30s", "timeout: 2h", 3, "at most 1h"),
        ("timeout: 30s", "timeout: soon", 3, "write a duration"),
        ("processes: 3", "processes: 33", 3, "32"),
        ("env: [LICENCE]", "env: [OPENAI_API_KEY]", 3, "OPENAI_API_KEY is set by the evaluation"),
        ("env: [LICENCE]", "env: ['A=B']", 3, "evaluators.mine.env"),
        ("timeout: 30s", "cwd: ..", 3, "outside of"),
        ("timeout: 30s", "cwd: nowhere", 3, "is no folder"),
        ("timeout: 30s", "files: [.env]", 3, "hidden files"),
        ("scorer.py", "adapter:deepevil", 3, "unknown adapter 'deepevil'; did you mean 'deepeval'"),
        ("run: [python, scorer.py]", "run: []", 3, "evaluators.mine.run"),
        ("run: [python, scorer.py], ", "", 3, "evaluators.mine.run"),
        ("mine:", "a/b:", 3, "a name has no `/`"),
        ("timeout: 30s", "retries: 3", 3, "retries"),
    ],
)
def test_what_is_wrong_has_its_line(old: str, new: str, line: int, words: str, tmp_path: Path) -> None:
    """Before anything runs."""
    assert old in NATIVE
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, NATIVE.replace(old, new))
    shown = [f"{problem.line}: {problem}" for problem in caught.value.problems]
    assert any(each.startswith(f"{line}: ") and words in each for each in shown), shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mood", "the suite has no evaluators"),
        ("{evaluator: mine}", "the suite has no evaluators"),
        ("{metric: x}", "an evaluator needs `run`"),
        ("[x]", "must be a mapping"),
        ("{run: x}", "run"),
    ],
)
def test_a_check_of_promptfoo_needs_a_command(value: str, words: str, tmp_path: Path) -> None:
    """It has no names for evaluators."""
    text = PROMPTFOO.replace('{run: [./scorer, "{{q}}"], metric: mood}', value)
    with pytest.raises(SuiteError, match=words):
        read(tmp_path, text, "promptfooconfig.yaml")


def test_rows_fill_no_command(tmp_path: Path) -> None:
    """A dataset's value may choose an evaluator of the suite, and be a setting."""
    (tmp_path / "rows.jsonl").write_text('{"ask": "Hi", "who": "mine", "word": "$(reboot)"}\n')
    suite = read(
        tmp_path,
        "evaluators: {mine: {run: [python, '{{word}}']}}\ncases: file://rows.jsonl\ndefaults:\n"
        "  ask: '{{ask}}'\n  expect: [{external: {evaluator: '{{who}}', settings: {word: '{{word}}'}}}]\n",
    )
    assert evaluator(suite).run == ("python", "{{word}}")
    assert values_of(suite)[0]["settings"] == {"word": "$(reboot)"}
