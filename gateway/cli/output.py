"""Common style of all commands: `--json`, examples and exit codes in the help, rows in colour, local times.

A command adds its arguments, then calls `add_help`, and `add_json` where it reads something.
"""

import argparse
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from gateway.terminal import Palette, cut, palette, printable, terminal_size

USUAL_EXITS: Final[Mapping[int, str]] = {
    0: "done",
    1: "the gateway refused, or did not answer",
    2: "wrong usage, or an answer of another version",
}
Style = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]


@dataclass(frozen=True, slots=True)
class TextRow:
    """A line of output and its style; the text may hold what a terminal would obey."""

    text: str = ""
    style: Style = ""


def add_help(
    command: argparse.ArgumentParser, *examples: str, exits: Mapping[int, str] = USUAL_EXITS, more: Iterable[str] = ()
) -> None:
    """End the help of a command with examples, such as `status support`, its exit codes, and more lines before them."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    width = max(len(str(code)) for code in exits)
    lines = [*more, "", "examples:"] if more else ["examples:"]
    lines += [f"  serinus {example}" for example in examples]
    lines += ["", "exit codes:", *(f"  {code:<{width}}  {exits[code]}" for code in sorted(exits))]
    lines = [piece for line in lines for piece in _wrapped(line)]
    command.epilog = "\n".join(lines)


def _wrapped(line: str) -> list[str]:
    """Return a line of help in pieces that fit the terminal; an entry's text goes on below its beginning."""
    if line.startswith("  serinus ") or not line.startswith("  "):
        return [line]
    word = re.match(r"  \S+ +", line)
    indent = " " * (word.end() if word else 4)
    return textwrap.wrap(line, max(terminal_size().columns - 2, 40), subsequent_indent=indent) or [line]


def add_json(command: argparse.ArgumentParser, what: str = "print JSON, for programs") -> None:
    """Add `--json`, which every command that reads something has."""
    command.add_argument("--json", action="store_true", help=what)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    print(json.dumps(value, indent=2))


def print_rows(rows: Iterable[TextRow]) -> None:
    """Print rows, in colour at a terminal."""
    print(painted(rows, colours()))


def colours() -> Palette:
    """Return the colours of standard output."""
    return palette(sys.stdout, os.environ)


def painted(rows: Iterable[TextRow], colours: Palette, columns: int | None = None) -> str:
    """Return rows as text without what a terminal would obey, cut to so many columns where they are given."""
    return "\n".join(_painted(row, line, colours, columns) for row in rows for line in printable(row.text).split("\n"))


def _painted(row: TextRow, line: str, colours: Palette, columns: int | None) -> str:
    text = line if columns is None else cut(line, columns)
    return str(getattr(colours, row.style)(text)) if row.style else text


def local_time(at: str | float, now: datetime | None = None) -> str:
    """Return an RFC 3339 time or Unix seconds in the person's own time: `14:05:12`, or with the day if not today.

    A text that is no time is returned as it is.
    """
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC)
        local = moment.astimezone()
    except (ValueError, OverflowError, OSError):
        return str(at)
    today = (now or datetime.now(UTC)).astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"
