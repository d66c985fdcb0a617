"""Text for a terminal: colours where it has them, the columns that a text takes, nothing that it would obey."""

import os
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TextIO

_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours for words that are printable already; `is_on` is False where a text is to stay plain."""

    is_on: bool = False

    def bold(self, text: str) -> str:
        return self._in("1", text)

    def dim(self, text: str) -> str:
        return self._in("2", text)

    def red(self, text: str) -> str:
        return self._in("31", text)

    def green(self, text: str) -> str:
        return self._in("32", text)

    def yellow(self, text: str) -> str:
        return self._in("33", text)

    def cyan(self, text: str) -> str:
        return self._in("36", text)

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self.is_on and text else text


def palette(output: TextIO, environ: Mapping[str, str]) -> Palette:
    """Return the colours of an output: none in a pipe, on a dumb terminal, or where NO_COLOR is set (no-color.org)."""
    is_plain = environ.get("NO_COLOR") or environ.get("TERM", "dumb") in ("", "dumb")
    return Palette(not is_plain and is_terminal(output))


def is_terminal(output: TextIO) -> bool:
    """Return whether a person's terminal reads the output; False for one that is closed."""
    try:
        return output.isatty()
    except ValueError:
        return False


def printable(text: str) -> str:
    """Return the text without what a terminal would obey; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Return the text as one line without what a terminal would obey; line ends are written as `\\n`."""
    return printable(text).replace("\n", "\\n")


def terminal_size() -> os.terminal_size:
    """Return the terminal's columns and lines; COLUMNS and LINES override them, and 80 × 24 is taken of a pipe."""
    return shutil.get_terminal_size()


def columns_of(text: str) -> int:
    """Return the columns that a printable text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def cut(text: str, columns: int) -> str:
    """Return a printable text without colours in at most so many columns, the end replaced by an ellipsis."""
    columns = max(columns, 1)
    if columns_of(text) <= columns:
        return text
    taken, kept = 0, []
    for character in text:
        taken += _columns(character)
        if taken >= columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def padded(text: str, columns: int) -> str:
    """Return a printable text with spaces up to so many columns."""
    return text + " " * max(columns - columns_of(text), 0)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
