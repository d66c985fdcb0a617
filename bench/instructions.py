"""Instructions per call, counted by valgrind: `python -m bench.instructions [--check | --record]`.

A count does not care how busy the machine is. Some calls go through the real application in memory (`bench.memory`),
then more of them; what the additional ones took is what a call takes. What is compared is its ratio to a reference loop
of plain Python, counted likewise, so that it means the same with another build of CPython. `--check` exits with 1 when
a ratio is more than 10 % above the recorded one, `--record` writes bench/results/instructions.json. About a minute.
"""

import argparse
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

RECORDED = Path(__file__).parent / "results" / "instructions.json"
MARGIN = 0.10
GAP_MS = 20  # only marks a stream here: nobody waits
# What is counted: fewer and more of each. The first calls, which fill caches, are in both, and cancel out.
COUNTS = {"call": (150, 350), "stream": (20, 40), "reference": (200, 600)}

Figures = dict[str, float]


def main(arguments: list[str]) -> int:
    """Count, compare or record; 2 when valgrind is missing."""
    given = _parser().parse_args(arguments)
    if given.inside:
        _inside(given.inside)
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is missing: apt-get install valgrind", file=sys.stderr)
        return 2
    counted = count()
    print(_table(counted))
    if given.record:
        RECORDED.write_text(json.dumps({"python": platform.python_version(), **counted}, indent=1) + "\n")
    return 1 if given.check and _complain(excess(counted, json.loads(RECORDED.read_text()))) else 0


def count() -> Figures:
    """Instructions of one call, one stream and one turn of the reference loop, and the two as ratios to the last."""
    totals = totals_of("bench.instructions")
    return figures({what: (totals[f"{what} 0"], totals[f"{what} 1"]) for what in COUNTS})


def totals_of(module: str) -> dict[str, int]:
    """Instructions of each child that `python -m module --inside FOLDER` has started with `in_children`."""
    with tempfile.TemporaryDirectory(prefix="serinus-instructions-") as name:
        folder = Path(name)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", "-q"]
        inside = [sys.executable, "-m", module, "--inside", str(folder)]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONMALLOC": "pymalloc"}
        subprocess.run([*command, *inside], check=True, env=environment, stdout=subprocess.DEVNULL)
        jobs: dict[str, int] = json.loads((folder / "jobs.json").read_text())
        return {job: total((folder / str(process)).read_text()) for job, process in jobs.items()}


def figures(totals: dict[str, tuple[int, int]]) -> Figures:
    """What one of each costs, from the totals of fewer and of more."""
    each = {what: (more - less) / (COUNTS[what][1] - COUNTS[what][0]) for what, (less, more) in totals.items()}
    return {**each, "call ratio": each["call"] / each["reference"], "stream ratio": each["stream"] / each["reference"]}


def total(report: str) -> int:
    """The instructions that a report of callgrind's tells of. Raises ValueError when it tells of none."""
    for line in report.splitlines():
        if line.startswith(("totals:", "summary:")):
            return int(line.split()[1])
    raise ValueError("callgrind's report has no totals")


def excess(counted: Figures, recorded: dict[str, float | str]) -> dict[str, float]:
    """By how much of the recorded figure each ratio is above it, where that is beyond the margin."""
    grown = {name: counted[name] / float(recorded[name]) - 1 for name in ("call ratio", "stream ratio")}
    return {name: share for name, share in grown.items() if share > MARGIN}


def _complain(excesses: dict[str, float]) -> bool:
    for name, share in excesses.items():
        print(f"{name}: {share:+.1%} instructions, more than {MARGIN:.0%}; {RECORDED} has what it was", file=sys.stderr)
    return bool(excesses)


def _table(counted: Figures) -> str:
    return "\n".join(f"{name:13} {figure:12,.1f}" for name, figure in counted.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.instructions", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser


def _inside(folder: Path) -> None:
    """Under valgrind: prepare once, then a child for each count, whose report bears its process id."""
    from bench import memory

    gateway = memory.gateway_in(folder / "configuration")
    do: dict[str, Callable[[int], object]] = {
        "call": lambda count: memory.run(gateway, count),
        "stream": lambda count: memory.run(gateway, count, GAP_MS),
        "reference": reference,
    }
    in_children({what: (do[what], counts) for what, counts in COUNTS.items()}, folder)


def in_children(work: Mapping[str, tuple[Callable[[int], object], tuple[int, int]]], folder: Path) -> None:
    """Do each work fewer and more times, each in a child, whose report of callgrind's bears its process id."""
    gc.collect()
    gc.freeze()  # as `serve` does: what the collector goes through must not depend on how much has been imported
    jobs = {}
    for what, (do, counts) in work.items():
        for index, count in enumerate(counts):
            jobs[f"{what} {index}"] = _in_child(do, count)
    (folder / "jobs.json").write_text(json.dumps(jobs))


def _in_child(work: Callable[[int], object], count: int) -> int:
    """Do it so many times in a child; the child's process id. Raises ChildProcessError when it failed."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work(count)
            code = 0
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        raise ChildProcessError("a count failed; what it said stands above")
    return process


def reference(turns: int) -> int:
    """Plain Python of the kind that a call is made of: attributes, dictionaries, bytes, small objects."""
    found = 0
    for turn in range(turns):
        headers = [(b"name-%d" % number, b"value-%d" % (number * turn)) for number in range(20)]
        table = {name.lower(): value for name, value in headers}
        line = b"".join(name + b": " + value + b"\r\n" for name, value in table.items())
        found += len(line) + sum(1 for part in line.split(b"\r\n") if part.endswith(b"0"))
        found += len(json.dumps({name.decode(): value.decode() for name, value in headers}))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
