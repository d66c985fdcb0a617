"""`python -m bench [--quick]`: the measurements that the documentation quotes, one after another.

First whole gateways against each other (`bench.gateways`), how cost grows (`bench.growth`, `bench.distance`), where a
call's time goes (`bench.profile`), what a flush of counts takes (`bench.flush`) and a page (`bench.pages`), then
transports, the statistics (`bench.power`), what a second worker brings (`bench.workers`), and what replicas over one
store promise: `bench.races`, `bench.propagation`, `bench.restarts`. `bench.calibration` takes hours and is started by
itself. `--quick` does the gateways and the profile only, in less than two minutes, and records nothing; all other
arguments go to `bench.power`.
"""

import subprocess
import sys

QUICK = (["bench.gateways", "--quick"], ["bench.profile", "--seconds", "3"])


def commands(arguments: list[str]) -> list[list[str]]:
    """The modules to run, with their arguments."""
    if "--quick" in arguments:
        return list(QUICK)
    replicas = [["bench.workers"], ["bench.races"], ["bench.propagation"], ["bench.restarts"]]
    return [
        ["bench.gateways"],
        ["bench.growth", "--write"],
        ["bench.distance", "--write"],
        ["bench.profile"],
        ["bench.flush", "--write"],
        ["bench.pages"],
        ["bench.transports"],
        ["bench.power", *arguments],
        *replicas,
    ]


def main(arguments: list[str]) -> int:
    """Run each as a process of its own; the first exit code that is not 0, or 0."""
    for command in commands(arguments):
        code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
