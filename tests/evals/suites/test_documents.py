"""Files as trees with lines: YAML with anchors, JSON, JSON lines and tables."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evals.cases import SourceLine, SuiteError
from evals.suites.documents import parse_csv, parse_json_lines, parse_yaml, read_document
from evals.suites.folder import SuiteFolder
from evals.suites.json_tree import parse_json
from gateway.config.nodes import Node

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values),
    max_leaves=12,
)  # fmt: skip


def problems(text: str, parse: str = "yaml") -> list[str]:
    """Return what is wrong with the text."""
    readers: dict[str, Callable[[str, str], Node]] = {
        "yaml": parse_yaml,
        "json": parse_json,
        "lines": parse_json_lines,
        "csv": parse_csv,
    }
    with pytest.raises(SuiteError) as refused:
        readers[parse](text, "f")
    return [str(problem) for problem in refused.value.problems]


@given(JSON)
def test_json_is_read_as_the_standard_library_reads_it(value: object) -> None:
    """Indented or not, in ASCII or not."""
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False)):
        assert parse_json(text, "f").plain() == json.loads(text)


def test_json_knows_its_lines() -> None:
    """A value stands in the line of its name."""
    node = parse_json('{\n "a": [1,\n  {"b":\n null}],\n "c": "x"}', "f", 5)
    assert node.entries["c"].line == 9
    assert node.entries["a"].items[1].entries["b"].line == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f:1: not JSON: a value is missing"),
        ('{"a": 1,}', "f:1: not JSON: a name in double quotes"),
        ("[1,]", "a value is missing"),
        ("[1 2]", "',' is missing"),
        ('{"a" 1}', "':' is missing"),
        ('{"a": 1}\n x', "f:2: not JSON: text follows"),
        ("[\n\n NaN]", "f:3: not JSON: a value is missing"),
        ("[Infinity]", "a value is missing"),
        ("[01]", "is missing"),
        ("[1.]", "is missing"),
        ('["a\nb"]', "invalid control character"),
        (r'["\ud800"]', "half of a character"),
        ('["a', "unterminated string"),
        ('{"a": 1, "a": 2}', "the name 'a' stands twice"),
        ("[" * 70 + "]" * 70, "nested deeper than 64 levels"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text: str, words: str) -> None:
    """Stricter than the standard library: no NaN, no name twice, no half characters."""
    assert words in problems(text, "json")[0]


def test_a_large_number_stays_text() -> None:
    """Nothing here needs more than 64 bits, and no digit is lost."""
    assert parse_json("[9223372036854775808, 1e999, -5, 2.5e3]", "f").plain() == [
        "9223372036854775808",
        "1e999",
        -5,
        2500.0,
    ]


def test_deep_json_costs_no_recursion() -> None:
    """A megabyte of brackets is refused at the bound."""
    assert "nested deeper" in problems("[" * 1_000_000, "json")[0]


def test_yaml_follows_anchors_and_merge_keys() -> None:
    """A mapping's own keys come first, whatever their order; so do those of the first of several."""
    text = (
        "base: &b {x: 1, y: 2}\nother: &o {y: 5, z: 3}\nfirst: {x: 9, <<: *b}\n"
        "both:\n  <<: [*b, *o]\nlist: &l [*b]\nagain: *l\n"
    )
    node = parse_yaml(text, "f")
    assert node.entries["first"].plain() == {"x": 9, "y": 2}
    assert node.entries["both"].plain() == {"x": 1, "y": 2, "z": 3}
    assert node.entries["again"].plain() == [{"x": 1, "y": 2}]
    assert node.entries["again"].line == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: *b\n", "f:1: a: no anchor &b stands above"),
        ("a: &a [*a]\n", "f:1: a.0: no anchor &a stands above"),
        ("a: &a {b: 1}\nc: {<<: 7}\n", "f:2: c: << takes in a mapping"),
        ("a: !!python/object/apply:os.system [id]\n", "is not supported"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: [1\n", "not YAML"),
        ("", "the file is empty"),
    ],
)
def test_what_is_no_such_yaml_is_refused_with_its_line(text: str, words: str) -> None:
    """An anchor must be complete before it is used: nothing holds itself."""
    assert words in "\n".join(problems(text))


def bomb(levels: int, width: int) -> str:
    """Aliases of aliases: width to the power of the levels."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_aliases_count_what_they_stand_for() -> None:
    """Ten lines that stand for a milliard values are refused, before anybody walks them, in little memory."""
    tracemalloc.start()
    found = problems(bomb(10, 9))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "holds more than 1,000,000 values, aliases followed" in found[0]
    assert peak < 2_000_000


def test_aliases_do_not_nest_beyond_the_bound() -> None:
    """Each alias of an alias is a level deeper, as if it were written out."""
    assert "nested deeper than 64 levels" in problems(bomb(70, 1))[0]
    assert parse_yaml(bomb(40, 1), "f").entries


def test_json_lines_tell_of_every_bad_line() -> None:
    """Empty lines count for nothing."""
    assert [each.line for each in parse_json_lines('{"a": 1}\n\n{"b": 2}\n', "f").items] == [1, 3]
    assert [line.split(" ")[0] for line in problems('{"a": }\n{}\n{"b"\n', "lines")] == ["f:1:", "f:3:"]
    assert problems("\n\n", "lines") == ["f:1: the file is empty"]


def test_a_table_is_a_list_of_mappings_with_lines() -> None:
    """A row stands where it begins, also behind cells of several lines; columns lose the spaces around them."""
    node = parse_csv('a, b \n"x\ny","1,""2"""\n\nu,v\n', "f")
    assert node.plain() == [{"a": "x\ny", "b": '1,"2"'}, {"a": "u", "b": "v"}]
    assert [row.line for row in node.items] == [2, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2,3\n", "f:2: the row has 3 fields, the first line has 2"),
        ("a,b\n1\n", "f:2: the row has 1 fields"),
        ("a,a\n1,2\n", "f:1: the columns need names of their own; twice: 'a'"),
        (",".join(map(str, range(1_001))) + "\n", "f:1: has more than 1,000 columns"),
        ('a\n"x\n\n', "f:2: not CSV: unexpected end of data"),
        ('a,b\n"x"y,1\n', "f:2: not CSV:"),
        ("a,b\n", "f:1: the file holds no rows"),
        ("", "f:1: the file holds no rows"),
        ("a\n" + "x" * 200_000 + "\n", "f:2: not CSV: field larger"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text: str, words: str) -> None:
    """A shifted row would ask something else."""
    assert words in problems(text, "csv")[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cases.xlsx", "Excel files are not read"),
        ("cases.toml", "a file of cases ends with"),
        ("no.csv", "does not exist"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """The ending says what a file is."""
    folder = SuiteFolder(tmp_path / "suite.yaml")
    with pytest.raises(SuiteError, match=words):
        read_document(folder, Path(name), SourceLine("suite.yaml", 1))


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    """Excel's own code pages are the usual cause."""
    (tmp_path / "a.csv").write_bytes(b"a\nx\n\xe4\n")
    with pytest.raises(SuiteError, match=r"a\.csv:3: byte 0xe4 is not UTF-8"):
        read_document(SuiteFolder(tmp_path / "a.csv"), Path("a.csv"), SourceLine("", 0))


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    """Excel writes one."""
    (tmp_path / "a.csv").write_bytes("\ufeffprompt\r\nHi\r\n".encode())
    node: Node = read_document(SuiteFolder(tmp_path / "a.csv"), Path("a.csv"), SourceLine("", 0))
    assert node.plain() == [{"prompt": "Hi"}]


@given(JSON)
def test_yaml_of_any_value_is_read_as_it_was_written(value: object) -> None:
    """Written by PyYAML without aliases, in the flow style that JSON has."""
    text = yaml.safe_dump({"v": value}, allow_unicode=True)
    try:
        node = parse_yaml(text, "f")
    except SuiteError as error:  # YAML 1.1 writes `.inf`, keys that are no text, and characters that YAML bars
        assert error.problems
        return
    assert set(node.entries) == {"v"}
