"""Known secrets become stars, wherever a stream is cut, and nothing else does."""

import json
import sys
from base64 import b64encode, urlsafe_b64encode
from io import BytesIO
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import logs
from gateway.redaction import RedactedPieces, Redactor

KEY = "sk-planted/Zq7+XyR4mW=9aK2vLq8tB"
PLAIN_KEY = "sk-planted-Zq7XyR4mW9aK2vLq8tB"
KEYS = pytest.mark.parametrize("key", [KEY, PLAIN_KEY])


def redacted(redactor: Redactor, data: bytes, size: int) -> bytes:
    """The data as it comes out of a stream that is cut into pieces of that size."""
    pieces = RedactedPieces(redactor)
    return b"".join(pieces.feed(data[at : at + size]) for at in range(0, len(data), size)) + pieces.end()


@KEYS
@given(before=st.binary(max_size=60), after=st.binary(max_size=60), size=st.integers(1, 40))
def test_no_cut_lets_it_through(key: str, before: bytes, after: bytes, size: int) -> None:
    """Cut at every byte or at none: stars in its place, as many, and every other byte is what it was."""
    data = before + key.encode() + after
    assert redacted(Redactor([key]), data, size) == before + b"*" * len(key) + after


@KEYS
@given(data=st.text("skplanted-/Zq7+Xy*\\u%2Ff", max_size=80).map(str.encode), size=st.integers(1, 9))
def test_what_only_begins_like_it_passes(key: str, data: bytes, size: int) -> None:
    """Nothing is lost of what was held back, and nothing changes."""
    assert redacted(Redactor([key]), data, size) == data


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "written",
    [
        json.dumps({"a": KEY}),
        json.dumps({"a": KEY}).replace("/", "\\/"),
        json.dumps({"a": KEY}).replace("+", "\\u002B").replace("=", "\\u003d"),
        quote(KEY),
        quote(KEY, safe="").replace("%2F", "%2f"),
        "Bearer " + KEY + "\n",
    ],
)
def test_escapes(written: str, size: int) -> None:
    """As JSON or a URL may write its odd characters, whole and in a stream."""
    out = redacted(Redactor([KEY]), written.encode(), size).decode()
    assert len(out) == len(written) and "Zq7" not in out and "*" * len(KEY) in out


@KEYS
@pytest.mark.parametrize("before", ["", "a", "ab", "user:"])
def test_base64_in_what_fails(key: str, before: str) -> None:
    """Whatever stands before it: what is left decodes to no part of the secret but its edges."""
    for encode in (b64encode, urlsafe_b64encode):
        told = b'{"error":"' + encode((before + key + ":x").encode()) + b'"}'
        out = Redactor([key]).thorough(told)
        assert len(out) == len(told) and out.count(b"*") >= len(key)


@KEYS
def test_a_secret_that_was_cut_off(key: str) -> None:
    """What fails may quote the first half of it."""
    assert Redactor([key]).thorough(key[:24].encode() + b"...") == b"*" * 24 + b"..."
    assert Redactor([key]).text(f"bad key {key[:17]}") == "bad key " + "*" * 17
    escaped = key[:24].replace("/", "\\/")
    assert Redactor([key]).text(escaped) == "*" * len(escaped)


def in_steps(redactor: Redactor, text: str, window: int) -> tuple[str, int]:
    """Return the text as it comes out of so many steps."""
    steps, count = redactor.text_in_steps(text, window), 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


PIECES = [
    KEY,
    PLAIN_KEY,
    KEY[:20],
    PLAIN_KEY[5:],
    b64encode(KEY.encode()).decode(),
    quote(KEY, safe=""),
    "s",
    "ü",
    "\\",
]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=6), window=st.integers(1, 50))
def test_a_long_text_is_searched_in_steps(pieces: list[str], window: int) -> None:
    """Wherever a window ends, the same is found as by one search: whole, escaped, in base64 and cut off."""
    text, redactor = "".join(pieces), Redactor([KEY, PLAIN_KEY])
    assert in_steps(redactor, text, window)[0] == redactor.text(text)


def test_a_step_is_bounded() -> None:
    """However long a text is, a step looks at one window of it for one secret."""
    text = "x" * 262_140 + KEY + "x" * 10_000
    found, steps = in_steps(Redactor([KEY]), text, 16 << 10)
    assert KEY not in found and len(found) == len(text)
    assert steps >= 2 * (len(text) // (16 << 10))


def test_words_are_no_secrets() -> None:
    """A key such as those of local servers is too short to be one: answers may say it."""
    assert Redactor(["ollama", "EMPTY", ""]).plain(b"ollama is EMPTY") == b"ollama is EMPTY"
    assert Redactor([]).thorough(b"x") == b"x"


def test_several_secrets() -> None:
    """One within another, too: the longer one is replaced whole."""
    redactor = Redactor([KEY, KEY[:15], "another-secret-of-ours"])
    assert redactor.plain(f"{KEY} another-secret-of-ours".encode()) == b"*" * len(KEY) + b" " + b"*" * 22


def test_headers() -> None:
    """Values are redacted, and headers without a secret stay the same object."""
    clean, redactor = [(b"a", b"b")], Redactor([KEY])
    assert redactor.headers(clean) is clean
    assert redactor.headers([*clean, (b"c", KEY.encode())]) == [*clean, (b"c", b"*" * len(KEY))]


def test_hostile_errors_cost_in_proportion() -> None:
    """Twice the beginnings of a secret take twice the steps."""

    def steps(size: int) -> int:
        seen = 0

        def count(*_: object) -> None:
            nonlocal seen
            seen += 1

        data, redactor = PLAIN_KEY[:20].encode() * size, Redactor([PLAIN_KEY])
        sys.setprofile(count)
        try:
            redactor.thorough(data)
        finally:
            sys.setprofile(None)
        return seen

    assert steps(2000) < 2.2 * steps(1000)


def test_the_log_hides_what_it_is_told_to() -> None:
    """In texts, in lists and in traces, from then on."""
    output = BytesIO()
    log = logs.to(output)
    log.bind(a=1).hide(Redactor([KEY]))
    try:
        raise ValueError(f"cannot use {KEY}")
    except ValueError:
        log.exception("bug", problems=[KEY])
    (line,) = output.getvalue().splitlines()
    assert KEY not in json.loads(line)["exception"] and "Zq7" not in line.decode()
