"""The command `serinus`, also as `python -m gateway`. Heeds the signals that end it before it imports anything else."""

import sys

from gateway.child_environment import refuse_inspection
from gateway.replica.early_signals import end_at_once

_NOT_SEEN = 1  # a demo that was broken off has not shown what it promises
_ENDED_EARLY = {"serve": 0, "standin": 0, "demo": _NOT_SEEN}  # commands that go on until they are told to end
_RUNS_OTHERS_CODE = frozenset({"eval"})  # commands whose children run what a suite brings


def main() -> int:
    """Run the command of the arguments; its exit code."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in _ENDED_EARLY:
        end_at_once(_ENDED_EARLY[command])
    if command in _RUNS_OTHERS_CODE:
        refuse_inspection()
    from gateway.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
