"""Faults of the provider: each strikes one model for a while, or all of them."""

import asyncio
from typing import Any

from bench.soak.faults import Run, Scene, fault
from bench.soak.settings import NEWER, STRUCK, TRIAL
from gateway.rehearsal.standin import ModelBehaviour

USUAL: dict[str, Any] = {"latency_seconds": 0.01, "chunk_seconds": 0.004}
EVERY_TARGET = "*"
_PROMISE = "the next target of the chain, or a typed error within the time budget; no clean 200 for a cut answer"
# What a struck model does, by the fault's name; `error_rate` is drawn.
_STRIKES: dict[str, dict[str, Any]] = {
    "provider answers 500": {"fault": "status", "status": 500},
    "provider answers 503": {"fault": "status", "status": 503, "retry_after_seconds": 1},
    "provider answers 429": {"fault": "rate_limit"},
    "provider hangs": {"fault": "hang"},
    "provider hangs in its answer": {"fault": "hang_mid_stream"},
    "provider resets": {"fault": "reset"},
    "provider resets in its answer": {"fault": "reset_mid_stream"},
    "provider drips": {"fault": "slow_drip"},
    "provider cuts its answer": {"fault": "truncate"},
    "provider ends its answer early": {"fault": "clean_cut"},
    "provider breaks its JSON": {"fault": "bad_json"},
    "provider breaks its tool calls": {"fault": "bad_tool_arguments"},
    "provider errs in a 200": {"fault": "error_in_200"},
    "provider errs in its stream": {"fault": "error_mid_stream"},
    "provider answers nothing": {"fault": "empty_choices"},
    "provider answers a web page": {"fault": "html"},
    "provider compresses unasked": {"fault": "gzip"},
    "provider redirects": {"fault": "redirect"},
}


def model_of(target: str) -> str:
    return target.partition("/")[2]


def strike(behaviour: dict[str, Any]) -> Run:
    """A fault that lets one model behave so, with a share of its calls."""

    async def run(scene: Scene, seconds: float) -> None:
        target = scene.rng.choice(STRUCK)
        scene.entry.target = target
        rate = scene.rng.choice((0.3, 0.6, 1.0))
        struck = ModelBehaviour(**USUAL, **behaviour, error_rate=rate, seed=scene.rng.getrandbits(32))
        scene.world.standin.behave(model_of(target), struck)
        await asyncio.sleep(seconds)
        scene.world.standin.behave(model_of(target), ModelBehaviour(**USUAL))

    return run


for _name, _behaviour in _STRIKES.items():
    fault("provider", _PROMISE, name=_name)(strike(_behaviour))


@fault("provider", "a typed error at once; circuits open, and close when it is back", seconds=(0.5, 2.5), weight=2)
async def provider_down(scene: Scene, seconds: float) -> None:
    """Nobody listens, and what was under way is cut."""
    scene.entry.target = EVERY_TARGET
    standin = scene.world.standin
    port = standin.port
    await standin.stop()
    await asyncio.sleep(seconds)
    await standin.start(port=port)


@fault("trial", "the chain answers; a decision is made exactly once", seconds=(4.0, 10.0))
async def bad_canary(scene: Scene, seconds: float) -> None:
    """The canary's model fails; once it was rolled back and is mended, an operator tries again."""
    scene.entry.target = NEWER
    world = scene.world
    world.standin.behave(model_of(NEWER), ModelBehaviour(**USUAL, error_rate=1.0, status=500))
    await asyncio.sleep(seconds)
    world.standin.behave(model_of(NEWER), ModelBehaviour(**USUAL))
    await asyncio.sleep(1.0)
    try:
        view = (await world.ask("GET", f"/status/{TRIAL}"))["agents"][TRIAL]
        world.journal.note("canary", phase=view["phase"], epoch=view["epoch"])
        if view["phase"] == "rolled_back":
            body = b'{"actor": "soak", "reason": "the model is mended"}'
            await world.ask("POST", f"/admin/agents/{TRIAL}/retry", body, (f"if-match: {view['epoch']}",))
    except (OSError, EOFError, ValueError) as error:  # a replica or the store is away just now
        world.journal.note("no retry", why=repr(error))
