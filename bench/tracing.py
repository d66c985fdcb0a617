"""Instructions that OpenTelemetry adds to a call, counted by valgrind: `python -m bench.tracing`.

Whole chat completions go through the real application in memory (`bench.memory`): without an export, with one that
samples none of them, and with one that samples all. Making, packing and sending of spans is counted; their compression
is not, since a thread does it. What a share costs lies between the last two in proportion. About a minute.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.instructions import in_children, totals_of

COUNTS = (60, 160)  # of calls, fewer and more
RATIOS = {"off": "", "none sampled": "0", "all sampled": "1"}
SHARE = 0.1  # the share of calls that installations usually sample


def main(arguments: list[str]) -> int:
    """Count and print; 2 when valgrind is missing."""
    parser = argparse.ArgumentParser("python -m bench.tracing", description=__doc__)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.inside:
        _inside(given.inside)
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is missing: apt-get install valgrind", file=sys.stderr)
        return 2
    for name, (instructions, more) in costs(totals_of("bench.tracing")).items():
        print(f"{name:15} {instructions:12,.0f} {more:+7.1%}")
    return 0


def costs(totals: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """What a call takes in each mode, and how much more that is than without an export."""
    fewer, more = COUNTS
    each = {name: (totals[f"{name} 1"] - totals[f"{name} 0"]) / (more - fewer) for name in RATIOS}
    each[f"{SHARE:.0%} sampled"] = (1 - SHARE) * each["none sampled"] + SHARE * each["all sampled"]
    return {name: (count, count / each["off"] - 1) for name, count in each.items()}


def _inside(folder: Path) -> None:
    modes = {name: _prepare(folder / name, ratio) for name, ratio in RATIOS.items()}
    in_children({name: (work, COUNTS) for name, work in modes.items()}, folder)


def _prepare(folder: Path, ratio: str) -> Callable[[int], object]:
    from bench import memory
    from gateway.replica.replica import Seams
    from gateway.telemetry.otel_settings import otel_settings

    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
    bounds = {"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_BSP_MAX_QUEUE_SIZE": "100000"}
    settings = otel_settings({"OTEL_TRACES_EXPORTER": "otlp", **sampler, **bounds}) if ratio else None
    gateway = memory.gateway_in(folder, Seams(otel=settings))
    tracing = gateway.services.proxy.recorder.tracing
    if tracing is None:
        return partial(memory.run, gateway)
    tracing.channels = lambda: gateway.services.runtime.channels

    def work(count: int) -> None:
        memory.run(gateway, count)
        with asyncio.Runner(loop_factory=memory.MemoryLoop) as runner:
            runner.run(tracing.finish())
        if sum(tracing.dropped.values()):
            raise AssertionError(f"spans were lost: {dict(tracing.dropped)}")

    return work


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
