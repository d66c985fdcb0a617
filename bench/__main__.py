"""`python -m bench [--runs N]`: the measurements that the documentation quotes, one after another.

Transports first (CPU per call and chunk, lean against standard, in one run), then the statistics (`bench.power`), then
what replicas over one store promise: `bench.races`, `bench.propagation`, `bench.restarts`.
"""

import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Run each as a process of its own; the first exit code that is not 0, or 0."""
    replicas = [["bench.races"], ["bench.propagation"], ["bench.restarts"]]
    for command in (["bench.transports"], ["bench.power", *arguments], *replicas):
        code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
