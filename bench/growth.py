"""How the cost of a call grows: with agents, versions, rules and the size of its body.

    python -m bench.growth [--write]

CPU time of the whole application in memory (`bench.memory`), as a ratio to the smallest case of the same run; cases
take turns, and the least of each counts. `--write` puts the table into docs/performance.md.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import memory
from bench.gateways import peers
from bench.gateways.__main__ import DOCUMENT
from bench.quoting import quote

_TURNS = 8
_CALLS = 500
_LARGE = 100_000  # bytes; beyond this fewer calls will do
_HEAD = "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\n"


def main(arguments: list[str]) -> int:
    """Measure, print, and record if asked."""
    lines = ["| what grows | from | to | cost of a call, × |", "|---|---|---|---|", *_rows()]
    print("\n".join(lines))
    if "--write" in arguments:
        quote("bench.growth", lines, "python -m bench.growth --write", DOCUMENT)
    return 0


def _rows() -> Iterator[str]:
    grown: list[tuple[str, tuple[int, ...], Callable[[int], tuple[dict[str, Any], int]]]] = [
        ("agents", (1, 100, 1000), lambda count: (_files(agents=count), 400)),
        ("versions of the agent", (2, 10, 50), lambda count: (_files(versions=count), 400)),
        ("rules, none of which matches", (0, 20, 200), lambda count: (_files(rules=count), 400)),
        ("body, bytes", (1000, 10_000, 100_000, 1_000_000), lambda size: (_files(), size)),
    ]
    for name, sizes, of in grown:
        first, *others = _costs([of(size) for size in sizes])
        for size, cost in zip(sizes[1:], others, strict=True):
            yield f"| {name} | {sizes[0]:,} | {size:,} | {cost / first:.2f} |"


def _costs(cases: list[tuple[dict[str, Any], int]]) -> list[float]:
    """CPU seconds of a call in each case, which take turns so that all see the same neighbours."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in cases]
        for folder, (files, _) in zip(folders, cases, strict=True):
            _write(folder, files)
        turns = [[_turn(folder, size) for folder, (_, size) in zip(folders, cases, strict=True)] for _ in range(_TURNS)]
    return [min(turn[index] for turn in turns) for index in range(len(cases))]


def _write(folder: Path, files: dict[str, Any]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content))  # JSON is YAML


def _turn(folder: Path, size: int) -> float:
    calls = _CALLS if size < _LARGE else _CALLS // 10
    os.environ["KEY"] = "sk-upstream"
    gateway = memory.gateway_of(folder)
    began = time.process_time()
    memory.send(gateway, calls, [_request(size)])
    return (time.process_time() - began) / calls


def _request(size: int) -> bytes:
    body = json.dumps({"model": "agent-0", "messages": [{"role": "user", "content": "word " * (size // 5)}]})
    head = _HEAD.format(path=peers.CHAT, key=peers.KEY) + f"content-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def _files(agents: int = 1, versions: int = 2, rules: int = 0) -> dict[str, Any]:
    """A configuration of that size, as files."""
    never = [{"when": {"user": f"nobody-{index}"}, "use": "v1"} for index in range(rules)]
    agent = {"stable": "v0", "canary": "v1", "weight": "5%", "rules": never}
    files: dict[str, Any] = {
        "gateway.yaml": peers.settings(1, 1),
        "routing.yaml": {"agents": {f"agent-{index}": agent for index in range(agents)}},
    }
    for index in range(agents):
        for version in range(versions):
            text = {"model": "openai/gpt-4o", "system_prompt": f"You are version {version}."}
            files[f"agents/agent-{index}/v{version}.yaml"] = text
    return files


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
