"""Where the time of one call goes: `python -m bench.profile [--seconds 10] [--streams]`, µs per stage.

A real gateway (`serinus serve`, everything on) is sampled while it serves: after every so much CPU time a signal notes
what runs. The innermost frame of ours names the stage, so that a library's time is its caller's. What the loop and the
kernel took between two callbacks is only seen when the next one begins: a sample at a callback's very first instruction
is theirs. 250 samples a second or so, as the kernel's clock ticks: 10 s tell 10 % from 11 %.
"""

import argparse
import dis
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from bench.gateways import measure, tree
from bench.gateways.install import ROOT
from bench.gateways.load import ClosedLoop
from bench.gateways.peers import CONFIG, PEERS, Launch, Peer, serinus
from bench.gateways.plan import workshop

LOOP = "loop and kernel"
_PORT = 18081
_EVERY_SECONDS = 0.001
_RESUME = dis.opmap.get("RESUME", -1)
_SENDING = tuple(
    [
        "send",
        "answer",
        "part",
        "_ready",
        "_start",
        "_frame",
        "_checked",
        "block",
        "_send_body",
        "_send_head",
        "_framed",
        "_finish",
        "write",
        "flush",
        "answered",
    ]
)
_PASSED_OVER = ("gateway.headers", "gateway.calls", "gateway.errors")  # used by several stages: their callers count
# The first prefix that matches a module names its stage.
STAGES = (
    ("gateway.net.server", "read the request"),
    ("gateway.auth", "know the caller"),
    ("gateway.json_body", "parse the body"),
    ("gateway.api", "make it a call"),
    ("gateway.formats.openai_chat.amend", "rewrite for the provider"),
    ("gateway.formats.applied", "rewrite for the provider"),
    ("gateway.formats.settings", "rewrite for the provider"),
    ("gateway.formats", "read the answer, usage"),
    ("gateway.net.client", "upstream client"),
    ("gateway.call.chain", "attempts, circuit, budget"),
    ("gateway.call.attempt", "attempts, circuit, budget"),
    ("gateway.call.circuits", "attempts, circuit, budget"),
    ("gateway.call.streaming", "send"),
    ("gateway.net.write_batching", "send"),
    ("gateway.rollout.recorder", "record"),
    ("gateway.rollout.judge", "record"),
    ("gateway.pricing", "price"),
    ("gateway.logs", "log"),
    ("gateway.store", "store and controller"),
    ("gateway.rollout.flusher", "store and controller"),
    ("gateway.rollout.controller", "store and controller"),
    ("gateway.rollout.call_id", "route, unit, id"),
    ("gateway.conversation", "route, unit, id"),
    ("gateway.rollout.table", "route, unit, id"),
    ("routing", "route, unit, id"),
    ("policies.evidence.tally", "record"),
    ("policies.guardrails.thresholds", "record"),
    ("policies.calls.retry", "attempts, circuit, budget"),
    ("policies", "store and controller"),
    ("gateway.call.proxy", "proxy, answer's headers"),
    ("gateway", "rest"),
)


def stage(module: str, function: str) -> str:
    """The stage that this function of ours belongs to."""
    if module.startswith("gateway.net.server") and function in _SENDING:
        return "send"
    return next((name for prefix, name in STAGES if module.startswith(prefix)), "rest")


def main(arguments: list[str]) -> int:
    """Print the tables."""
    given = _parser().parse_args(arguments)
    if given.serve:
        return _serve(given.serve)
    with workshop() as (folder, core, upstream):
        home = Path(tempfile.mkdtemp(prefix="stages-", dir=folder))
        with measure.running(_sampled(), 0, home, (_PORT, upstream.address[1]), core) as subject:
            measure.warm(subject, 2)
            os.kill(subject.process.pid, signal.SIGUSR1)
            cpu, calls, kernel = _load(subject, given.seconds, streams=given.streams)
            system_calls = _system_calls(subject)
        samples = json.loads((home / CONFIG / "samples.json").read_text())
    unit = "chunk" if given.streams else "call"
    _print(samples, cpu / calls * 1e6, unit)
    print(f"\nin the kernel: {kernel:.0%} of the CPU time; {calls:,} {unit}s")
    if system_calls and not given.streams:
        print(
            "system calls per call (traced, so slowly: what goes by the clock looks frequent): "
            + ", ".join(f"{name} {count:.2f}" for name, count in system_calls)
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.profile", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--streams", action="store_true", help="64 streams in place of whole answers")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser


def _sampled() -> Peer:
    """Serinus as always, but started through this module."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        given = serinus(folder, port, upstream)
        command = [sys.executable, "-m", "bench.profile", "--serve", str(folder / CONFIG)]
        return Launch(command, given.environment, given.headers, given.model, cwd=ROOT)

    return Peer("Serinus", PEERS[0].version, PEERS[0].program, launch)


def _load(subject: measure.Subject, seconds: int, *, streams: bool) -> tuple[float, int, float]:
    """CPU seconds, calls or chunks, and the kernel's share of that time, over so long under load."""
    before, began = tree.usage(subject.process.pid).cpu, _ticks(subject.process.pid)
    if streams:
        load = ClosedLoop(subject.address, subject.requests(measure.GAP_MS), 64, ramp=1.0)
    else:
        load = ClosedLoop(subject.address, subject.requests(), 16)
    try:
        load.run(seconds)
        seen = load.taken()
    finally:
        load.close()
    time.sleep(0.25)
    user, system = (now - then for now, then in zip(_ticks(subject.process.pid), began, strict=True))
    count = seen.pieces if streams else seen.calls
    return tree.usage(subject.process.pid).cpu - before, max(count, 1), system / max(user + system, 1)


def _ticks(process: int) -> tuple[int, int]:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def _system_calls(subject: measure.Subject) -> list[tuple[str, float]]:
    """System calls per call, by strace, if there is one: the frequent ones."""
    if shutil.which("strace") is None:
        return []
    command = ["strace", "-f", "-c", "-p", str(subject.process.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        time.sleep(0.5)
        load = ClosedLoop(subject.address, subject.requests(), 16)
        load.run(2)
        calls = load.taken().calls
        load.close()
        tracer.send_signal(signal.SIGINT)
        _, text = tracer.communicate(timeout=10)
    rows = [line.split() for line in text.splitlines() if line[:1] == " " and line.split()[0] != "%"]
    counts = [(row[-1], int(row[3]) / max(calls, 1)) for row in rows if len(row) >= 5 and row[3].isdecimal()]
    return sorted((pair for pair in counts if pair[1] >= 0.02 and pair[0] != "total"), key=lambda pair: -pair[1])


def _serve(folder: str) -> int:
    """Be the gateway; sample from SIGUSR1 on, and leave the samples in the folder."""
    samples: Counter[str] = Counter()

    def note(_: int, frame: FrameType | None) -> None:
        samples[_place(frame)] += 1

    def begin(_number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)

    signal.signal(signal.SIGPROF, note)
    signal.signal(signal.SIGUSR1, begin)
    from gateway.cli import main as cli

    code = cli.main(["serve", "--config", folder])
    signal.setitimer(signal.ITIMER_PROF, 0)
    (Path(folder) / "samples.json").write_text(json.dumps(samples))
    return code


def _place(frame: FrameType | None) -> str:
    """`module:function` of the innermost frame of ours; LOOP when a callback has just begun, or it is not ours."""
    if frame is None or _just_begun(frame):
        return LOOP
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".")[0] in ("gateway", "routing", "policies") and module not in _PASSED_OVER:
            return (
                LOOP if module in ("gateway.replica.serve", "gateway.cli.main") else f"{module}:{frame.f_code.co_name}"
            )
        frame = frame.f_back
    return LOOP


def _just_begun(frame: FrameType) -> bool:
    below = frame.f_back
    by_the_loop = below is not None and below.f_globals.get("__name__") == "asyncio.runners"
    return by_the_loop and frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _RESUME


def _print(samples: dict[str, int], cpu: float, unit: str) -> None:
    """Stages, then the functions that cost most; `cpu` is µs per call or chunk in all."""
    total = max(sum(samples.values()), 1)
    stages: Counter[str] = Counter()
    for place, count in samples.items():
        stages[LOOP if place == LOOP else stage(*place.split(":"))] += count
    print(f"| stage | µs per {unit} | share |\n|---|---|---|")
    for name, count in stages.most_common():
        print(f"| {name} | {count / total * cpu:.1f} | {count / total:.1%} |")
    print(f"| all | {cpu:.1f} | {total} samples |\n\n| function | µs per {unit} |\n|---|---|")
    for place, count in Counter(samples).most_common(21):
        if place != LOOP:
            print(f"| `{place}` | {count / total * cpu:.1f} |")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
