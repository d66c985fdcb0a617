"""What refusals of our own say about a version."""

import asyncio
import hashlib

import pytest

from gateway.call.circuits import Circuits
from gateway.rehearsal.standin import ModelBehaviour
from gateway.runtime import CircuitRules
from routing.chain import Target
from tests.conftest import Serve
from tests.support.calling import eventually, failing


async def test_what_an_open_circuit_refuses_counts(serve: Serve) -> None:
    """It stands for what would have failed: a version whose target is dead does not hide behind it."""
    place = await serve(gateway={"circuit": {"failures": 2, "open_for": "1m"}, "retries": {"per_target": 0}})
    place.standin.behave("good", failing("status"))
    assert [(await place.chat()).status_code for _ in range(5)] == [500, 500, 503, 503, 503]
    books = await place.books(requests=5)
    assert (books.errors, books.unjudged) == (5, 0)


async def test_what_is_refused_beside_a_probe_counts_for_nothing(serve: Serve) -> None:
    """Nobody knows yet how the target is; here it is well again, and only slow to say so."""
    place = await serve(gateway={"circuit": {"failures": 2, "open_for": "1s"}, "retries": {"per_target": 0}})
    place.standin.behave("good", failing("status"))
    assert [(await place.chat()).status_code for _ in range(2)] == [500, 500]
    circuits = place.running.gateway.services.proxy.attempts.circuits
    await eventually(lambda: set(circuits.states().values()) == {"half_open"})
    place.standin.behave("good", ModelBehaviour(latency_seconds=0.8))
    probe = asyncio.create_task(place.chat())
    await eventually(lambda: place.standin.counts("good").requests == 3)
    refused = [await place.chat() for _ in range(3)]
    assert {reply.status_code for reply in refused} == {503} and (await probe).status_code == 200
    books = await place.books(requests=6)
    assert (books.errors, books.unjudged) == (2, 3) and books.error_rate == pytest.approx(2 / 3)


async def test_one_caller_takes_no_target_from_the_others(serve: Serve) -> None:
    """Its own requests make the provider fail, again and again: whoever else calls is served."""
    keys = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("honest", "poisoner")}
    place = await serve(gateway={"circuit": {"failures": 2, "open_for": "1m"}, "keys": keys})

    async def status(key: str, model: ModelBehaviour) -> int:
        place.standin.behave("good", model)
        return (await place.chat({"authorization": f"Bearer {key}"})).status_code

    assert await status("honest", ModelBehaviour()) == 200
    assert [await status("poisoner", failing("status")) for _ in range(6)] == [500] * 6
    assert await status("honest", ModelBehaviour()) == 200
    assert [await status(key, failing("status")) for key in ("poisoner", "honest", "honest")] == [500, 500, 503]


def test_circuits_of_names_that_nobody_asks_for_again_are_forgotten() -> None:
    """Clients write the names of plain models: what failed under a made-up one is open, then half open, for ever."""
    now = 0.0
    circuits, rules = Circuits(lambda: now), CircuitRules(failures=1, open_for=1.0)
    for number in range(20_000):
        now = number / 100
        circuits.of_target(Target("one", f"made up {number}"), rules).failed(now)
    assert len(circuits.states()) <= 4_096 and not circuits.is_closed(Target("one", "made up 19999"))
