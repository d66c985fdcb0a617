"""Ends of replicas, and edits of the files that they read."""

import asyncio
import json
from time import time
from typing import Any

from bench.soak.faults import Scene, fault
from bench.soak.settings import TRIAL, gateway
from bench.soak.world import REPLICAS

READ_WITHIN = 2.0  # seconds; an edit takes effect within one
NAMED_WITHIN = 10.0  # seconds on a busy machine
# File, and its text while it is broken; none where it is missing.
_BROKEN: dict[str, tuple[str, str | None]] = {
    "broken YAML": ("routing.yaml", "agents: [unclosed\n"),
    "half-written file": ("gateway.yaml", '{"providers": {"at-openai": {"api": "open'),
    "missing prompt file": (f"agents/{TRIAL}/prompt.md", None),
}


@fault("replica", "only calls under way at it are cut; what it had not reported is lost, and no more", weight=2)
async def replica_killed(scene: Scene, seconds: float) -> None:
    """kill -9, and a start after a while."""
    name = scene.rng.choice(REPLICAS)
    scene.entry.target = (await scene.world.kill(name)).name
    await asyncio.sleep(min(seconds, 1.0))
    async with scene.files:
        await scene.world.begin(name)


@fault("replica", "no failed call", weight=2)
async def replica_restarted(scene: Scene, seconds: float) -> None:
    """SIGTERM under load, and a start."""
    await _restart(scene, scene.rng.choice(REPLICAS))


@fault("replica", "no failed call")
async def rolling_restart(scene: Scene, seconds: float) -> None:
    """SIGTERM and a start of one replica after the other."""
    for name in REPLICAS:
        await _restart(scene, name)


async def _restart(scene: Scene, name: str) -> None:
    ended = await scene.world.end(name)
    scene.entry.target = ended.name
    scene.expect(ended.exit_code == 0, f"{ended.name} ends with exit code 0, not {ended.exit_code}")
    async with scene.files:
        await scene.world.begin(name)


@fault("configuration", "no failed call; streams finish on what they started with", seconds=(1.5, 3.0), weight=2)
async def configuration_changed(scene: Scene, seconds: float) -> None:
    """A good edit."""
    async with scene.files:
        settings: dict[str, Any] = gateway(scene.world.standin.root_url)
        settings["retries"]["cap"] = f"{scene.rng.randrange(400, 600)}ms"
        _write(scene, "gateway.yaml", json.dumps(settings))
        await asyncio.sleep(seconds)


def _write(scene: Scene, name: str, text: str) -> None:
    (scene.world.config / name).write_text(text)


def _break(name: str) -> None:
    file, text = _BROKEN[name]

    @fault("configuration", "the old table serves; /status names the file", seconds=(2.0, 3.0), name=name)
    async def run(scene: Scene, seconds: float) -> None:
        async with scene.files:
            path = scene.world.config / file
            before = path.read_text()
            path.unlink() if text is None else path.write_text(text)
            try:
                await asyncio.sleep(seconds)
                await _check_status(scene, path.name)
            finally:
                path.write_text(before)
                await asyncio.sleep(READ_WITHIN)  # a replica that starts next reads the good one


async def _check_status(scene: Scene, file: str) -> None:
    """Ask a replica for its status until it names the file; a killed one is asked no more."""
    said, until = "", time() + NAMED_WITHIN
    while file not in said and time() < until:
        try:
            said = json.dumps((await scene.world.ask("GET", "/status"))["gateway"])
        except (OSError, EOFError):
            return
        await asyncio.sleep(0.3)
    scene.expect(file in said, f"/status names {file}")


for _name in _BROKEN:
    _break(_name)
