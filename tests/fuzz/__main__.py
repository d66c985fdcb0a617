"""`python -m tests.fuzz --minutes 10 [target …]`: the long run, from a seed that is shown.

What breaks a property is made small and kept in the corpus, where `make test` replays it from then on.
"""

import argparse
import hashlib
import random
import sys
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.target import CORPUS, CUTS, Target
from tests.fuzz.targets import TARGETS

_EXAMPLES = 300  # in each turn of a target


def main(arguments: list[str]) -> int:
    """Fuzz the targets in turn until the time is over; the exit code is 1 where one broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}")
    given_ = parser.parse_args(arguments)
    if unknown := set(given_.targets) - set(TARGETS):
        parser.error(f"unknown target {', '.join(sorted(unknown))}")
    print(f"seed {given_.seed}", flush=True)
    left, broken, turn = {name: TARGETS[name] for name in given_.targets or TARGETS}, 0, 0
    until = time.monotonic() + 60 * given_.minutes
    while left and time.monotonic() < until:
        for name, target in list(left.items()):
            if (fault := _find_fault(target, given_.seed + turn)) is not None:
                print(f"{name}: broken; {_keep(target, fault[0])}\n{fault[1]}", flush=True)
                del left[name]  # it would find the same again
                broken += 1
            turn += 1
            if time.monotonic() >= until:
                break
    print(f"{turn} turns of {_EXAMPLES} inputs, {broken} targets broken")
    return 1 if broken else 0


def _find_fault(target: Target, chance: int) -> tuple[bytes, str] | None:
    """Return the smallest input that breaks a property, and how; None where none of a turn does."""
    last = b""

    @seed(chance)
    @settings(
        max_examples=_EXAMPLES, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(target.inputs(), CUTS)
    def check(data: bytes, cuts: tuple[int, ...]) -> None:
        nonlocal last
        last = data
        target.check(data, cuts)

    try:
        check()
    except Exception:
        return last, traceback.format_exc(limit=-4)
    return None


def _keep(target: Target, data: bytes) -> Path:
    """Put an input into the corpus under a name of its content."""
    path = CORPUS / target.name / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
