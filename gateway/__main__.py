"""The command `serinus`, also as `python -m gateway`. Heeds the signals that end it before it imports anything else."""

import io
import os
import sys

from gateway.child_environment import refuse_inspection
from gateway.replica.early_signals import end_at_once

_NOT_SEEN = 1  # a demo that was broken off has not shown what it promises
_ENDED_EARLY = {"serve": 0, "standin": 0, "demo": _NOT_SEEN}  # commands that go on until they are told to end
_RUNS_OTHERS_CODE = frozenset({"eval"})  # commands whose children run what a suite brings


def main() -> int:
    """Run the command of the arguments; its exit code."""
    _open_what_is_closed()
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in _ENDED_EARLY:
        end_at_once(_ENDED_EARLY[command])
    if command in _RUNS_OTHERS_CODE:
        refuse_inspection()
    from gateway.cli.main import main as run

    return run()


def _open_what_is_closed() -> None:
    """Put the null device where standard input, output or errors are closed (`>&-`).

    Whatever is opened next, such as the store's socket, would else get the number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            raw = io.FileIO(number, "w" if number else "r", closefd=False)
            buffer = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
            setattr(sys, name, io.TextIOWrapper(buffer, line_buffering=True))


if __name__ == "__main__":
    sys.exit(main())
