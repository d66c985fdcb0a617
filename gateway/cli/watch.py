"""`serinus status --watch`: the status again and again, calmly, until a condition holds or Ctrl-C.

At a terminal each look is painted over the one before, on a screen of its own. Elsewhere a status is printed when it
differs from the one before.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import localtime, sleep, strftime
from types import FrameType

from gateway.cli.output import TextRow, colours, painted
from gateway.terminal import is_terminal, terminal_size

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


@dataclass(frozen=True, slots=True)
class Look:
    """Findings of one look: rows for people; `code` ends the watch with that exit code."""

    rows: Sequence[TextRow]
    code: int | None = None


def watch(
    look: Callable[[], Look], every: float, *, for_people: bool = True, pause: Callable[[float], None] = sleep
) -> int:
    """Look every so many seconds until a look has an exit code, or Ctrl-C, which is a 0; the exit code.

    The last status stays on the terminal. What is not `for_people`, the look prints itself.
    """
    last = Look(())
    screen = _Screen() if for_people and is_terminal(sys.stdout) else None
    show = screen.show if screen else _Paper().show
    try:
        with screen or nullcontext():
            while True:
                last = look()
                show([TextRow(f"every {every:g} s, last at {_clock()}; Ctrl-C ends", "dim"), *last.rows])
                if last.code is not None:
                    break
                pause(every)
    except KeyboardInterrupt:
        return _finish(last, screen is not None, 0)
    return _finish(last, screen is not None, last.code or 0)


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


class _Screen:
    """The terminal's second screen without a cursor; afterwards the first one, as it was.

    Ctrl-Z gives the first one back for as long as the command is stopped.
    """

    def __init__(self) -> None:
        self._shown: Sequence[TextRow] = ()

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, act) for number, act in self._acts().items()}
        _write(_ENTER)

    def __exit__(self, *_: object) -> None:
        for number, act in self._before.items():
            signal.signal(number, act)
        _write(_LEAVE)

    def show(self, rows: Sequence[TextRow]) -> None:
        """Write rows over the screen, without a moment in which it is empty; what has no place is counted."""
        self._shown = rows
        columns, lines = terminal_size()
        shown = painted(rows, colours(), columns - 1).split("\n")  # in the last column an erasure takes a character
        if len(shown) > lines:
            hidden = len(shown) - lines + 1
            shown = [*shown[: lines - 1], f"… {hidden} lines more"]
        ends = f"{_REST_OF_LINE}\n".join(shown)
        _write(f"{_HOME}{ends}{_REST_OF_LINE}{_REST_OF_SCREEN}")

    def _acts(self) -> Mapping[signal.Signals, Callable[[int, FrameType | None], None]]:
        return {signal.SIGTERM: self._end, signal.SIGTSTP: self._stop}

    def _end(self, number: int, frame: FrameType | None) -> None:
        """End by a signal, so that the terminal is as it was."""
        sys.exit(128 + number)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Stop until the shell goes on with the command (`fg`)."""
        _write(_LEAVE)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # returns when it goes on
        signal.signal(signal.SIGTSTP, self._stop)
        _write(_ENTER)
        self.show(self._shown)


def _write(text: str) -> None:
    """Write at once; a signal may come between two writes, not within one."""
    sys.stdout.flush()
    left = text.encode(sys.stdout.encoding, "replace")
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]


def _clock() -> str:
    return strftime("%H:%M:%S", localtime())
