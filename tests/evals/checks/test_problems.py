"""Wrong and unsupported checks, found before anything runs."""

from typing import Any

import pytest

from evals.checks import check_problems
from evals.checks.registry import CHECKS, REFUSED
from tests.architecture import ROOT
from tests.evals.checks.builders import PLACE, check


def messages(*args: Any, **rest: Any) -> str:
    """What is wrong with a check, in lines."""
    return "\n".join(map(str, check_problems(check(*args, **rest))))


def test_what_is_not_supported_is_refused_by_name_with_its_place() -> None:
    """With what to use instead."""
    assert messages("javascript", "output.length < 5") == (
        "suite.yaml:1: `javascript`: not supported: only Python runs here; write it as `python`"
    )
    assert "only promptfoo knows" in messages("promptfoo:redteam:policy")
    assert not {*CHECKS} & {*REFUSED}


def test_an_unknown_check_is_answered_with_the_one_that_was_meant() -> None:
    """A typing error is no silence."""
    assert "unknown check 'contain'; did you mean 'contains'?" in messages("contain", "x")


@pytest.mark.parametrize(
    ("type_", "value", "hint"),
    [
        ("contains", [], "a text or a number"),
        ("contains", "", "a text or a number"),
        ("contains-any", '"open', "not closed"),
        ("contains-any", '"a" b', "a comma is missing"),
        ("contains-all", [], "a list of words"),
        ("contains-all", " , ", "a list of words"),
        ("starts-with", 5, "must be a text"),
        ("regex", "(", "not closed"),
        ("regex", None, "a regular expression"),
        ("word-count", {"min": 5, "max": 2}, "more than `max`"),
        ("word-count", {}, "`min` or `max`"),
        ("word-count", "many", "must be a number"),
        ("is-json", {"type": "objekt"}, "the schema is wrong at type"),
        ("is-json", "a: [", "neither JSON nor YAML"),
        ("is-json", [1], "a schema is an object"),
        ("is-json", {"patternProperties": {"(": {}}}, "of the schema: a group is not closed"),
        ("contains-json", "file://schema.json", "a file that was not read"),
        ("cost", None, "a `threshold` is missing"),
        ("tool-call-f1", " , ", "names of tools"),
        ("trajectory:tool-used", {"min": 1}, "`name` or `pattern`"),
        ("trajectory:tool-used", {"name": "a", "min": "1"}, "as numbers"),
        ("trajectory:tool-used", 5, "a list of texts"),
        ("trajectory:tool-sequence", [], "a list of tools"),
        ("trajectory:tool-sequence", {"steps": ["a"], "mode": "any"}, "not in_order or exact"),
        ("trajectory:tool-sequence", [{"name": "a", "type": "span"}], "tool and message, not 'span'"),
        ("trajectory:tool-args-match", "a", "an object"),
        ("trajectory:tool-args-match", {"name": "a"}, "lacks `args`"),
        ("trajectory:tool-args-match", {"name": "a", "args": {}, "mode": "x"}, "not partial or exact"),
        ("trajectory:tool-args-match", {"name": "a", "args": {}, "defaults": 1}, "`defaults`"),
        ("trajectory:tool-args-match", {"name": "a", "args": {}, "ignore": [""]}, "`ignore`"),
        ("trajectory:step-count", "5", "`min` or `max`"),
        ("trajectory:step-count", {"type": "command", "max": 1}, "not 'command'"),
        ("not-is-valid-openai-tools-call", None, "`not-` means nothing"),
        ("bleu", [1], "a list of texts"),
        ("llm-rubric", None, "must be a rubric"),
        ("trajectory:goal-success", {"goal": " "}, "have a `goal`"),
        ("levenshtein", 5, "must be a text"),
        ("python", "", "must be a text"),
    ],
)
def test_a_value_that_a_check_cannot_use_is_named(type_: str, value: Any, hint: str) -> None:
    """Each with what it must be."""
    assert hint in messages(type_, value)


def test_weights_thresholds_and_transforms_are_looked_at_as_well() -> None:
    """All at once, for each check."""
    found = messages("contains", "a", weight=-1.0, threshold=float("nan"), transform="output.trim()")
    assert [line.partition(": `contains`: ")[2] for line in found.splitlines()] == [
        "the weight must be 0 or more",
        "the threshold must be a number",
        "the transform must be a file of Python, `file://NAME.py`",
    ]


def test_sets_hold_checks_and_no_sets() -> None:
    """The problems of a set's checks are among its own."""
    inner = check("assert-set", children=(check("contain", "x"),))
    found = messages("not-assert-set", children=(inner,))
    assert "a set has no `not-`" in found and "a set within a set" in found and "unknown check" in found
    assert "a set needs checks" in messages("assert-set")
    assert PLACE.file in found


def test_every_supported_check_accepts_what_it_is_for() -> None:
    """None refuses its own plain use."""
    fine = {
        "trajectory:tool-sequence": ["a"],
        "trajectory:tool-args-match": {"name": "a", "args": {}},
        "trajectory:step-count": {"max": 3},
        "word-count": 5,
        "is-json": {"type": "object"},
        "contains-json": None,
        "off_schema": None,
        "external": {"evaluator": {}},
    }
    for name in CHECKS:
        assert messages(name, fine.get(name, "text"), threshold=0.5) == "", name


def test_the_documentation_names_every_check() -> None:
    """Those that run, and those that are refused with the way out."""
    page = (ROOT / "docs" / "evaluation.md").read_text()
    assert [name for name in (*CHECKS, *REFUSED) if f"`{name}`" not in page] == []
    assert [reason for reason in REFUSED.values() if reason not in page] == []
