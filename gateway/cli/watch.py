"""`serinus status --watch`: the status again and again, calmly, until a condition holds or Ctrl-C.

At a terminal each look is painted over the one before, on a screen of its own. Elsewhere a status is printed when it
differs from the one before.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import localtime, sleep, strftime

from gateway.cli.output import TextRow, colours, painted
from gateway.terminal import is_terminal, terminal_size

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


@dataclass(frozen=True, slots=True)
class Look:
    """Findings of one look: rows for people; `code` ends the watch with that exit code."""

    rows: Sequence[TextRow]
    code: int | None = None


def watch(look: Callable[[], Look], every: float, *, pause: Callable[[float], None] = sleep) -> int:
    """Look every so many seconds until a look has an exit code, or Ctrl-C, which is a 0; the exit code.

    The last status stays on the terminal.
    """
    last = Look(())
    show: Callable[[Sequence[TextRow]], None] = _Paper().show
    is_screen = is_terminal(sys.stdout)
    try:
        with _own_screen() if is_screen else _nothing():
            show = _paint if is_screen else show
            while True:
                last = look()
                show([TextRow(f"every {every:g} s, last at {_clock()}; Ctrl-C ends", "dim"), *last.rows])
                if last.code is not None:
                    break
                pause(every)
    except KeyboardInterrupt:
        return _finish(last, is_screen, 0)
    return _finish(last, is_screen, last.code or 0)


def _finish(last: Look, is_screen: bool, code: int) -> int:
    if is_screen and last.rows:
        print(painted(last.rows, colours()))
    return code


class _Paper:
    """An output that keeps everything: a status is written when something in it has changed."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, rows: Sequence[TextRow]) -> None:
        text = painted(rows[1:], colours())  # without the time of the look
        if text != self._last:
            print(f"{'' if not self._last else chr(10)}{text}", flush=True)
            self._last = text


def _paint(rows: Sequence[TextRow]) -> None:
    """Write rows over the screen, without a moment in which it is empty; what has no place is counted."""
    columns, lines = terminal_size()
    shown = painted(rows, colours(), columns - 1).split("\n")  # in the last column an erasure would take a character
    if len(shown) > lines:
        hidden = len(shown) - lines + 1
        shown = [*shown[: lines - 1], f"… {hidden} lines more"]
    ends = f"{_REST_OF_LINE}\n".join(shown)
    sys.stdout.write(f"{_HOME}{ends}{_REST_OF_LINE}{_REST_OF_SCREEN}")
    sys.stdout.flush()


@contextmanager
def _own_screen() -> Iterator[None]:
    """The terminal's second screen without a cursor; afterwards the first one, as it was."""
    before = signal.signal(signal.SIGTERM, _end)
    sys.stdout.write(_ENTER)
    sys.stdout.flush()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _end(number: int, frame: object) -> None:
    """End by a signal, so that the terminal is as it was."""
    sys.exit(128 + number)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _clock() -> str:
    return strftime("%H:%M:%S", localtime())
