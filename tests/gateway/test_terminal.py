"""What a terminal can show, and what it must not obey."""

import io
import os
from collections.abc import Mapping

import pytest

from gateway.terminal import Palette, columns_of, cut, is_terminal, one_line, padded, palette, printable


class Screen(io.StringIO):
    """An output that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "is_on"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
     ({"TERM": "xterm", "NO_COLOR": ""}, True)],
)  # fmt: skip
def test_colours_are_for_terminals_that_have_them(environ: Mapping[str, str], is_on: bool) -> None:
    """None on a dumb terminal, where NO_COLOR is set, or in a pipe."""
    assert palette(Screen(), environ).is_on is is_on
    assert not palette(io.StringIO(), environ).is_on
    assert is_terminal(Screen()) and not is_terminal(io.StringIO())


def test_a_closed_output_is_no_terminal() -> None:
    """Who closed it reads nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    output = os.fdopen(writer, "w")
    output.close()
    assert not is_terminal(output)


def test_colours_end_where_they_began() -> None:
    """Nothing is coloured where colours are off, and an empty text has none."""
    on, off = Palette(True), Palette()
    for name in ("bold", "dim", "red", "green", "yellow", "cyan"):
        text = getattr(on, name)("word")
        assert text.startswith("\x1b[") and text.endswith("word\x1b[0m")
        assert getattr(on, name)("") == "" and getattr(off, name)("word") == "word"


@pytest.mark.parametrize("mark", ["\x1b[2J", "\x9b31m", "\r", "\x7f", "\u202e", "\u2028", "\x00", "\ud800"])
def test_nothing_is_obeyed(mark: str) -> None:
    """Control characters and turned directions are shown escaped."""
    assert printable(f"a{mark}b\n").isprintable() is False  # the line end stays
    assert one_line(f"a{mark}b\nc").isprintable() and mark not in printable(mark)


def test_texts_are_cut_by_columns() -> None:
    """A wide character takes two, a combining one none; at least the ellipsis is left."""
    assert (columns_of("abc"), columns_of("東京"), columns_of("e\u0301")) == (3, 4, 1)
    assert (cut("abcdef", 6), cut("abcdef", 4), cut("東京都", 4), cut("abc", 0)) == ("abcdef", "abc…", "東…", "…")
    assert (padded("東", 4), padded("abc", 2)) == ("東  ", "abc")
