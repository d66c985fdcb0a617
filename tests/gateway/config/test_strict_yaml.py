import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.strict_yaml import MAX_BYTES, MAX_DEPTH, parse, read_yaml, resolve


def plain(text: str) -> object:
    parsed = parse(text, "f.yaml")
    assert parsed.root is not None
    assert parsed.problems == ()
    return parsed.root.plain()


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f.yaml").problems]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "N", "On", "NO"])
def test_words_that_yaml_1_1_takes_for_booleans_stay_text(word: str) -> None:
    """Norway keeps its code, and `on` its name."""
    assert plain(f"country: {word}") == {"country": word}


@pytest.mark.parametrize(
    "word",
    ["1:30", "010", "0x1F", "0o17", "1_000", "2026-01-31", "2026-01-31 10:00:00", ".inf", ".nan", "1e999", "9" * 64],
)
def test_what_only_looks_like_a_number_or_date_stays_text(word: str) -> None:
    """Sexagesimals, octals, dates and numbers that fit nowhere are not interpreted."""
    assert plain(f"a: {word}") == {"a": word}


def test_core_schema() -> None:
    """Nulls, booleans, whole numbers and decimals are what they look like; quoted they are text."""
    text = 'a: ~\nb: true\nc: -3\nd: 0.30\ne: 1e3\nf: "5"\ng:\nh: [1, "true"]'
    assert plain(text) == {
        "a": None, "b": True, "c": -3, "d": 0.3, "e": 1000.0, "f": "5", "g": None, "h": [1, "true"],
    }  # fmt: skip


def test_keys_are_the_text_that_was_written() -> None:
    """`on`, `8080` and `1.10` as keys stay what they are."""
    assert plain("on: 1\n8080: 2\n1.10: 3\nnull: 4") == {"on": 1, "8080": 2, "1.10": 3, "null": 4}


def test_every_node_knows_its_line() -> None:
    """The value of a key is where its key is, and an item of a list where it begins."""
    root = parse("a:\n  b: |\n    text\n  c:\n    - x\n    - y\n", "f.yaml").root
    assert root is not None
    lines = {path: (node.line, node.column) for path, node in root.walk()}
    assert lines[("a", "b")] == (2, 3)
    assert lines[("a", "c")] == (4, 3)
    assert lines[("a", "c", 1)] == (6, 7)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a: duplicate key 'a'; it is already in line 1"),
        ("a: &x 1", "f.yaml:1: a: anchors (&x) are not supported; write the value out each time"),
        ("a: *x", "f.yaml:1: a: aliases (*x) are not supported; write the value out"),
        ("<<: {a: 1}", "f.yaml:1: merge keys (<<) are not supported; write the keys out"),
        ("a: !!python/name:os.system x", "f.yaml:1: a: the tag '!!python/name:os.system' is not supported; "
         "write the value without it"),
        ("a: !env X", "f.yaml:1: a: the tag '!env' is not supported; write the value without it"),
        ("a: !!int x", "f.yaml:1: a: the value is not what its tag '!!int' says"),
        ("a: 1\n---\nb: 2", "f.yaml:2: a second document starts here; keep to one document a file"),
        ("[a]: 1", "f.yaml:1: a key must be plain text; put it in quotes"),
        ("?\n: 1", "f.yaml:1: a key is missing before ':'"),
        ("", "f.yaml:1: the file is empty"),
        ("# nothing\n---\n", "f.yaml:1: the file is empty"),
    ],
)  # fmt: skip
def test_what_is_forbidden_is_said_with_its_line(text: str, complaint: str) -> None:
    """Each trap of YAML is a problem of its own."""
    assert complaint in complaints(text)


def test_several_forbidden_things_are_all_reported() -> None:
    """The second problem is not hidden by the first."""
    assert len(complaints("a: &x 1\na: 2\nb: !t 3")) == 3


def test_core_tags_are_allowed() -> None:
    """`!!str 5` is text; a tag that agrees with its value is harmless."""
    assert plain("a: !!str 5\nb: !!int 5\nc: !!seq [1]\nd: !!map {x: !!null ~}\ne: ! 5") == {
        "a": "5", "b": 5, "c": [1], "d": {"x": None}, "e": "5",
    }  # fmt: skip


def test_tabs_and_unquoted_variables_get_a_hint() -> None:
    """The two usual causes of broken YAML here are named."""
    assert complaints("a:\n\tb: 1")[0].endswith("; indent with spaces, never with tabs")
    assert complaints("p: {a: b, k: ${KEY}}\n")[0].endswith('; within { } a variable needs quotes: "${NAME}"')


def test_broken_yaml_is_one_problem_with_its_line() -> None:
    """A file that is cut in the middle says where."""
    (complaint,) = complaints("a:\n  b: [1, 2\n")
    assert complaint.startswith("f.yaml:3: not YAML:")


def test_control_characters_are_a_problem() -> None:
    """A NUL in the file is refused, with its line."""
    assert complaints("a: 1\nb: \x00")[0].startswith("f.yaml:2: not YAML:")
    assert complaints('a: "\\ud800"') != []


def test_depth_is_bounded() -> None:
    """A hundred thousand brackets do not exhaust the stack."""
    assert f"nested deeper than {MAX_DEPTH} levels" in complaints("[" * 100_000)[-1]
    assert plain("[" * 60 + "]" * 60) is not None


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    """Missing, a folder, a pipe, not UTF-8, too large: each its own clear problem, and none blocks."""
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xfc\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    os.mkfifo(tmp_path / "pipe.yaml")

    def said(name: str) -> str:
        return str(read_yaml(tmp_path / name, name).problems[0])

    assert said("none.yaml") == "none.yaml: file not found"
    assert said(".") == ".: is not a regular file"
    assert said("pipe.yaml") == "pipe.yaml: is not a regular file"
    assert said("latin.yaml") == "latin.yaml:2: byte 0xfc is not UTF-8; save the file as UTF-8"
    assert said("large.yaml") == "large.yaml: is larger than 1,000,000 bytes"


def test_unreadable_file(tmp_path: Path) -> None:
    """A name that the system refuses is a problem, not a crash."""
    name = "x" * 300
    assert str(read_yaml(tmp_path / name, "f.yaml").problems[0]) == "f.yaml: cannot be read: File name too long"


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    """Neither becomes part of a value, so a prompt keeps its digest on every system."""
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: |\r\n  x\r\n  y\r\n")
    root = read_yaml(tmp_path / "f.yaml", "f.yaml").root
    assert root is not None
    assert root.plain() == {"a": "x\ny\n"}


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_a_problem(text: str) -> None:
    """Whatever is in the file, nothing but a result comes out."""
    parsed = parse(text, "f.yaml")
    assert parsed.root is not None or parsed.problems


@given(st.text(alphabet="0123456789.eE+-_:~", max_size=12))
def test_any_word_resolves(word: str) -> None:
    """A word is None, a finite number or itself."""
    value = resolve(word)
    assert value is None or value == word or abs(float(value)) < float("inf")


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("form", ["p: {}\n", "p: '{}'\n", 'p: "{}"\n', "p: |\n  {}\n", "p: >-\n  {}\nq: 1\n", "- {}\n"])
def test_line_breaks_of_web_pages_are_text(odd: str, form: str) -> None:
    """U+0085 and U+2028 end no line, as in YAML 1.2, in JSON and in editors: a pasted prompt is sent as it is."""
    said = f"Be kind.{odd}Never lie.{odd}- no list"
    found = parse(form.format(said), "f")
    assert found.problems == () and found.root is not None
    value = found.root.items[0] if found.root.items else found.root.get("p")
    assert value is not None and (value.text or "").rstrip("\n") == said


def test_lines_are_counted_as_editors_count_them() -> None:
    """A problem behind such a character names the line that an editor shows; private characters stay themselves."""
    found = parse("p: a\u2028b\ue000\nq: *x\n", "f")
    assert [problem.line for problem in found.problems] == [2]
    assert found.root is not None and (node := found.root.get("p")) is not None and node.text == "a\u2028b\ue000"


def test_an_address_without_quotes_gets_a_hint() -> None:
    """Brackets begin a list in YAML."""
    [problem] = parse("listen: [::1]:8080\n", "f").problems
    assert problem.message.endswith('; put an IPv6 address in quotes: listen: "[::1]:8080"')
