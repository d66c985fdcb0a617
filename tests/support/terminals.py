"""A command at a terminal of 80 × 24: what it writes there, and what a person's keys do."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

from tests.support.processes import ENDS_WITHIN, SERINUS, SURROUNDINGS

_WITHIN = 30.0  # seconds; far more than anything takes here


class Terminal:
    """The terminal's master side. `shown` is all that was written so far."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master

    def wait_for(self, text: str) -> str:
        """Read until the text was written; return all so far."""
        end = monotonic() + _WITHIN
        while text not in self.shown:
            assert monotonic() < end and self.read(), f"{text!r} is not in {self.shown!r}"
        return self.shown

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        end = monotonic() + _WITHIN
        while self.read():
            assert monotonic() < end, self.shown
        return self.process.wait(ENDS_WITHIN)

    def read(self) -> bool:
        """Read a piece, perhaps of nothing yet; False at the end."""
        if not select.select([self._master], [], [], 0.5)[0]:
            return True
        with suppress(OSError):  # EIO: nobody holds the other side any more
            if piece := os.read(self._master, 65536):
                self.shown += piece.decode(errors="replace")
                return True
        return False


@contextmanager
def at_terminal(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: str = ".", program: Sequence[str] = SERINUS
) -> Iterator[Terminal]:
    """Run `serinus`, or another program, with these arguments at a terminal of its own, which Ctrl-C reaches."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    surroundings = {**SURROUNDINGS, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1", **(environ or {})}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        if name not in (environ or {}):
            surroundings.pop(name, None)
    process = subprocess.Popen(
        [*program, *arguments], stdin=slave, stdout=slave, stderr=slave, env=surroundings, cwd=cwd,
        preexec_fn=_own_terminal,
    )  # fmt: skip
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
