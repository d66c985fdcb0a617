"""Any file is a suite, or is refused with file and line: nothing else ever comes out of a reader."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from evals.cases import Suite, SuiteError
from evals.suites import read_suite
from evals.suites.datasets.detection import DIALECTS
from evals.suites.native_file import CaseTemplate, NativeSuite
from evals.suites.promptfoo.config import CONFIG_KEYS
from evals.suites.promptfoo.tests import TEST_KEYS

KEYS = sorted(
    {
        *(key for dialect in DIALECTS for key in (*dialect.known, *dialect.refused)),
        *(*CONFIG_KEYS, *TEST_KEYS, *CaseTemplate.model_fields, *NativeSuite.model_fields),
        *(
            "type",
            "value",
            "raw",
            "label",
            "role",
            "content",
            "text",
            "path",
            "config",
            "any",
            "contains",
            "$ref",
            "<<",
        ),
        *("evaluateOptions", "repeat", "delay", "critical", "max_turns", "tool_results", "name", "function", "data"),
    }
)
WORDS = st.sampled_from(
    [
        *(
            "",
            "a",
            "{{a}}",
            "{{ a.b[0] }}",
            "{{a | dump}}",
            "{{a|upper}}",
            "{% for x in y %}",
            "{{",
            "file://",
            "file://a.txt",
        ),
        *(
            "file://*.txt",
            "file://../x",
            "file:///etc/passwd",
            "file://.",
            "exec:ls",
            "https://x",
            "assert-set",
            "contains",
        ),
        *(
            "javascript",
            "python",
            "user",
            "assistant",
            "[",
            "{",
            "- role: user",
            '[{"role": "user"}]',
            "#/a",
            "#/tests",
        ),
        *("openai:gpt-5", "file://suite.json", "\x00", "\ud7ff", "🦜", "true", "file://a\x00b", "__expected"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
VALUES = st.recursive(
    SCALARS | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), below, max_size=5)
    ),
    max_leaves=25,
)
NAMES = st.sampled_from(["a", "b", "prompt", "context"])
TYPES = st.sampled_from(
    ["contains", "not-equals", "is-json", "python", "llm-rubric", "similar", "javascript", "no-such"]
)
CHECKS = st.fixed_dictionaries(
    {"type": TYPES},
    optional={
        "value": VALUES,
        "threshold": SCALARS,
        "weight": SCALARS,
        "metric": WORDS,
        "provider": st.sampled_from(["openai:gpt-5", "x", {"id": "openai:chat:a"}, {"text": "openai:b"}, 1]),
    },
)
SETS = CHECKS | st.fixed_dictionaries({"type": st.just("assert-set"), "assert": st.lists(CHECKS, max_size=2)})
TESTS = st.fixed_dictionaries(
    {"vars": st.dictionaries(NAMES, SCALARS | st.lists(WORDS, max_size=3), max_size=3)},
    optional={
        "assert": st.lists(SETS, max_size=3),
        "threshold": st.floats(0, 1),
        "metadata": st.dictionaries(
            st.sampled_from(["critical", "max_turns", "tool_results", "x"]), SCALARS, max_size=2
        ),
        "options": st.dictionaries(
            st.sampled_from(["prefix", "suffix", "provider", "transform", "disableVarExpansion"]), SCALARS, max_size=2
        ),
        "prompts": WORDS,
    },
)
CONFIGS = st.fixed_dictionaries(
    {
        "prompts": st.lists(
            st.sampled_from(["{{a}}", "{{a}} {{b | dump}}", "file://a.txt"]) | WORDS, min_size=1, max_size=2
        )
    },
    optional={
        "tests": st.lists(TESTS | WORDS, max_size=3),
        "defaultTest": TESTS | WORDS,
        "scenarios": st.lists(
            st.fixed_dictionaries({"config": st.lists(TESTS, max_size=2), "tests": st.lists(TESTS, max_size=2)}),
            max_size=2,
        ),
        "evaluateOptions": st.dictionaries(st.sampled_from(["repeat", "maxConcurrency", "delay"]), SCALARS),
    },
)
ENTRIES = st.fixed_dictionaries(
    {"ask": st.just("Hi {{a}}") | WORDS},
    optional={
        "id": st.sampled_from("xyz"),
        "inputs": st.dictionaries(NAMES, VALUES, max_size=2),
        "expect": st.lists(
            WORDS | st.dictionaries(TYPES | st.sampled_from(["any", "all", "threshold"]), VALUES, max_size=2)
        ),
        "messages": VALUES,
        "max_turns": st.integers(0, 70),
        "metadata": st.dictionaries(NAMES, VALUES, max_size=2),
    },
)
SUITES = st.fixed_dictionaries(
    {"cases": st.lists(ENTRIES, max_size=3) | st.sampled_from(["file://rows.jsonl", "file://*.jsonl", "file://a.txt"])},
    optional={"defaults": ENTRIES, "repeat": st.integers(0, 4), "delay": st.sampled_from(["1s", "x", 1])},
)
CELLS = st.sampled_from(
    ["prompt", "__expected", "__expected2", "__metadata:critical", "__config:__expected:threshold", "a"]
)
EXPECTATIONS = st.sampled_from(
    [
        'contains-any: a, "b""c"',
        "similar(0.5):x",
        "not-equals",
        "is-json:{",
        "fn:x",
        "cost",
        "contains:",
        'contains-all:"',
    ]
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for all examples, with a file that they may name."""
    with TemporaryDirectory() as name:
        path = Path(name)
        (path / "a.txt").write_text("hello {{a}}")
        (path / "rows.jsonl").write_text('{"input": "Hi", "ideal": "a", "id": 7}\n{"input": "Ho", "ideal": "b"}\n')
        yield path


def read(path: Path, content: str) -> Suite | None:
    """Return the suite, or None where it is refused in sentences with file and line."""
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        suite = read_suite(path)
    except SuiteError as error:
        assert error.problems
        assert all(problem.file and problem.message and problem.line >= 0 for problem in error.problems)
        assert "\x00" not in str(error)
        return None
    assert suite.cases
    assert len({case.id for case in suite.cases}) == len(suite.cases)
    assert all(case.messages and case.place.line > 0 for case in suite.cases)
    json.dumps([[case.messages, case.inputs, case.metadata, case.tool_results] for case in suite.cases], default=dict)
    return suite


@given(value=VALUES)
@settings(max_examples=150, deadline=None)
def test_any_tree_is_read_or_refused(value: JsonValue, folder: Path) -> None:
    """As JSON, and as YAML."""
    text = json.dumps(value)
    first, second = read(folder / "suite.json", text), read(folder / "suite.yaml", text)
    assert (first is None) == (second is None) or "\\u" in text  # PyYAML knows no pairs of surrogates


@given(value=CONFIGS | SUITES)
@settings(max_examples=400, deadline=None)
def test_anything_that_looks_like_a_suite_is_read_or_refused(value: JsonValue, folder: Path) -> None:
    """The keys are right, and the values may be anything."""
    read(folder / "suite.json", json.dumps(value))


@given(rows=st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_rows_are_read_or_refused(rows: list[JsonValue], folder: Path) -> None:
    """Lines of JSON, whose first decides."""
    read(folder / "suite.jsonl", "\n".join(map(json.dumps, rows)))


@given(text=st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("kind", ["json", "jsonl", "yaml", "csv"])
def test_any_text_is_read_or_refused(kind: str, text: str, folder: Path) -> None:
    """Whatever is in the file."""
    read(folder / f"suite.{kind}", text)


@given(
    table=st.lists(
        st.dictionaries(CELLS, EXPECTATIONS | WORDS | st.text(max_size=5), min_size=1), min_size=1, max_size=3
    )
)
@settings(max_examples=100, deadline=None)
def test_any_table_is_read_or_refused(table: list[dict[str, str]], folder: Path) -> None:
    """Whatever is in its cells."""
    columns = sorted({key for row in table for key in row})
    lines = [columns, *([row.get(column, "") for column in columns] for row in table)]
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    read(folder / "suite.csv", "\n".join(quoted))


@given(
    prompt=st.lists(WORDS | st.text(max_size=5), max_size=6).map("".join),
    values=st.dictionaries(WORDS, VALUES, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_any_prompt_with_any_variables_is_read_or_refused(
    prompt: str, values: dict[str, JsonValue], folder: Path
) -> None:
    """Whatever is put into it."""
    config = {"prompts": [prompt], "tests": [{"vars": {**values, "a": "{{b}}", "b": "{{a}}"}}]}
    read(folder / "suite.json", json.dumps(config))
