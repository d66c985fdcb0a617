"""A request's JSON, read once and written back byte for byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.json_body import Document, NotJson, array, elements, encode

TEXT = st.text(st.characters(codec="utf-8"))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)
SPACES = st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t: "), ("\r\n,", " :")])


@given(OBJECTS, SPACES, st.booleans())
def test_what_nobody_changes_stays(value: dict[str, Any], marks: tuple[str, str], ascii_only: bool) -> None:
    """Written back without changes, it is the same value; each member is the same bytes."""
    body = json.dumps(value, separators=marks, ensure_ascii=ascii_only).encode()
    document = Document.parse(body)
    rendered = document.render({})
    assert json.loads(rendered) == value == document.values
    for name, text in document.texts.items():
        assert text.encode() in body and text.encode() in rendered
        assert json.loads(text) == value[name]


@given(OBJECTS, VALUES)
def test_changes(value: dict[str, Any], new: Any) -> None:
    """A member that is set is set, one that is taken out is gone, and the others stay."""
    document = Document.parse(json.dumps({**value, "out": 1, "in": 2}).encode())
    rendered = json.loads(document.render({"in": encode(new), "out": None, "absent": None}))
    assert rendered == {**{name: each for name, each in value.items() if name != "out"}, "in": new}


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    """Whatever comes in, it is read or refused with 400; nothing else happens."""
    try:
        Document.parse(body)
    except NotJson as error:
        assert (error.status, error.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    "text",
    ["1.0", "1E-2", "-0", "-0.0", "9007199254740993", "123456789012345678901234567890", "1e400", '"\\ud83d"',
     '"\\u00e9"', '"é"', '" "', '{ "a" : [ 1.50 ] }', '{"a":1,"a":2}', "[[[]]]", '"\\/"'],
)  # fmt: skip
def test_spelling_stays(text: str) -> None:
    """Numbers, escapes and spaces inside a member are not respelled; half a surrogate pair passes as its escape."""
    document = Document.parse(b' { "x" : %b } \n' % text.encode())
    assert document.texts["x"] == text
    assert document.render({"model": '"m"'}) == b'{"x":%b,"model":"m"}' % text.encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Expecting value"), (b" ", "Expecting value"), (b"nil", "Expecting value"),
        (b"[]", "must be a JSON object"), (b'"x"', "must be a JSON object"), (b"null", "must be a JSON object"),
        (b"{", "a name in double quotes"), (b"{a: 1}", "a name in double quotes"), (b"{'a': 1}", "a name in double"),
        (b'{"a" 1}', "expected ':'"), (b'{"a": 1 "b"}', "expected ','"), (b'{"a": 1,}', "a name in double quotes"),
        (b'{"a": }', "Expecting value"), (b'{"a": 1', "expected ','"), (b'{"a": "x', "Unterminated string"),
        (b'{"a": 1} x', "extra text"), (b'{"a": 1}{}', "extra text"), (b"{}\0", "extra text"),
        (b'{"a": 1, "a": 1}', "duplicate name 'a'"), (b'{"a": 1, "\\u0061": 1}', "duplicate name 'a'"),
        (b'{"a": NaN}', "NaN is not JSON"), (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"a": 01}', "expected ','"), (b'{"a": "\x01"}', "control character"), (b'{"a": "\\x"}', "escape"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7"), (b'{"a": "\xed\xa0\xbd"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "Expecting value"), ("{}".encode("utf-16"), "not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"), (b'{"a":' * 100_000, "nested too"),
    ],
)  # fmt: skip
def test_refusals(body: bytes, why: str) -> None:
    """What is not one JSON object in UTF-8 is refused, and the message says why."""
    with pytest.raises(NotJson) as caught:
        Document.parse(body)
    assert caught.value.message.startswith("the body is ") and why in caught.value.message


@given(st.lists(VALUES), SPACES)
def test_elements(values: list[Any], marks: tuple[str, str]) -> None:
    """The elements of an array, each as its own text, and together an array again."""
    texts = elements(json.dumps(values, separators=marks))
    assert [json.loads(text) for text in texts] == values == json.loads(array(texts))


def test_lone_surrogates_are_encoded_as_escapes() -> None:
    """A value with half a surrogate pair can be written, which UTF-8 alone could not."""
    assert encode({"a": "\ud83d"}) == '{"a":"\\ud83d"}'


def test_too_deep_to_be_encoded() -> None:
    """What is too deep for the stack is the caller's error and no crash."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotJson, match="too deeply"):
        encode(value)
    while value:
        value = value.pop()


def test_spaces_cost_no_loop() -> None:
    """A body of 8 MB of spaces is read at once."""
    assert Document.parse(b"{" + b" " * 8_000_000 + b"}").values == {}


@pytest.mark.parametrize("twin", ["Model", "MODEL", "mode\u217c", "Me\u017fsages", "me\u017f\u017fages", "messageS"])
def test_a_spelling_in_another_case_is_left_out(twin: str) -> None:
    """Go's readers heed no case, and would take it in place of what was changed; what nobody changes stays."""
    document = Document.parse(json.dumps({"model": 1, "messages": 2, "Other": 3, twin: 4}).encode())
    rendered = json.loads(document.render({"model": "5", "messages": "6"}))
    kept = {twin: 4} if "\u217c" in twin else {}
    assert rendered == {"model": 5, "messages": 6, "Other": 3, **kept}
    assert json.loads(document.render({}))[twin] == 4
