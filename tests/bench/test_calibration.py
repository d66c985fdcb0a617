"""The calibration's instruments: virtual time, the store on it, exact bounds, and a few whole rollouts."""

import asyncio
import random
import subprocess
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from bench.calibration.clock import VirtualLoop
from bench.calibration.provider import Said
from bench.calibration.report import Tallied, chosen, commit, kept, misses, row, table, upper_bound
from bench.calibration.rollout import Ended, simulate
from bench.calibration.store import Line, VirtualStore
from bench.calibration.workers import Server
from bench.calibration.worlds import BLAMELESS, SCENARIOS
from gateway.store import Batch, connect

DAY = 86_400.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis that simulations may empty."""
    server = Server.start(tmp_path_factory.mktemp("calibration") / "redis")
    yield server
    server.switch(False)


def ended(seed: int, *, gone: bool, calls: int = 0) -> Ended:
    return Ended(seed, gone, calls, calls, 120.0 if gone else 1.0, 60.0, "why" if gone else "")


def test_a_day_passes_at_once() -> None:
    """Timers run in their order, each at its own time."""

    async def sleep(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop().time()

    async def both() -> list[float]:
        return list(await asyncio.gather(sleep(DAY), sleep(1.0)))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(both()) == [DAY, 1.0]


def test_the_store_lives_on_the_virtual_clock(server: Server) -> None:
    """Two hours between two flushes are 120 minutes of evidence, and the operations themselves take no time."""

    async def flush_twice() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        store = VirtualStore(connect(server.url), "replica", Line(loop))
        for sequence in (1, 2):
            batch = Batch(1, 1)
            batch.canary.requests = batch.canary.errors = 1
            reply = await store.flush("hours", sequence, batch)
            await asyncio.sleep(7200.0 if sequence == 1 else 0.0)
        await store.aclose()
        assert reply.sides is not None
        return reply.sides.minute, loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(flush_twice()) == (120, 7200.0)


def test_a_threads_work_takes_no_time() -> None:
    """The clock does not jump to a timer meanwhile."""

    async def work() -> float:
        await asyncio.to_thread(list, "work")
        return asyncio.get_running_loop().time()

    async def both() -> float:
        _, at = await asyncio.gather(asyncio.sleep(DAY), work())
        return at

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(both()) == 0.0


def test_an_answer_comes_when_nothing_else_is_ready(server: Server) -> None:
    """However long that takes: else the machine's load would decide what comes first."""
    done: list[str] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        store = VirtualStore(connect(server.url), "replica", Line(loop))
        await store.ping()
        done.append("answered")
        await store.aclose()

    async def be_ready() -> None:
        for _ in range(5_000):
            await asyncio.sleep(0)
        done.append("ready")

    async def both() -> None:
        await asyncio.gather(ask(), be_ready())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(both())
    assert done == ["ready", "answered"]


@pytest.mark.parametrize(("count", "runs", "bound"), [(0, 300, 0.0099), (1, 200, 0.0235), (3, 2000, 0.0039), (5, 5, 1)])
def test_the_bound_is_the_exact_one(count: int, runs: int, bound: float) -> None:
    """The one-sided 95 % bound of Clopper and Pearson: none of 300 bounds the share by 1 %."""
    assert upper_bound(count, runs) == pytest.approx(bound, abs=5e-5)


def test_counts_are_kept_between_runs(tmp_path: Path) -> None:
    """What was counted is there again, and its line says how many were rolled back, and at most how many may be."""
    tallied = Tallied("identical", "code")
    for seed in range(4):
        tallied.add(ended(seed, gone=seed == 3, calls=17), seconds=0.5)
    tallied.keep(tmp_path)
    found = kept("identical", tmp_path)
    assert found is not None and found.runs == 4 and found.reasons == ["why"]
    assert row(SCENARIOS["identical"], found).endswith("| 4 | 1 | 75.14% | 120 |")
    assert misses(SCENARIOS["identical"], found) and kept("another", tmp_path) is None


def test_the_table_names_the_commits_that_were_measured() -> None:
    """Worlds of different code are told apart."""
    worlds = [SCENARIOS["identical"], SCENARIOS["heavy tails"], SCENARIOS["hedges"]]
    found = [Tallied(world.name, "code", commit) for world, commit in zip(worlds, ("a1", "a1", "b2"), strict=True)]
    assert table(zip(worlds, found, strict=True))[-1] == "Worlds by the commit whose code was measured: a1 (2), b2 (1)."


def test_code_that_differs_from_its_commit_is_marked(tmp_path: Path) -> None:
    """Also where a file is new; what decides nothing may differ."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=kim", "-c", "user.email=kim@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for folder in ("policies", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "text.py").write_text("first")
    git("add", ".")
    git("commit", "--no-gpg-sign", "-m", "begin")
    clean = commit(tmp_path)
    (tmp_path / "docs" / "text.py").write_text("second")
    assert clean and commit(tmp_path) == clean
    (tmp_path / "policies" / "new.py").write_text("first")
    assert commit(tmp_path) == f"{clean}-dirty" and commit(tmp_path.parent) == ""


def test_a_bad_canary_is_found_when_95_of_100_are() -> None:
    """One of twenty may be missed; where two are, the line says so."""
    scenario = SCENARIOS["errors 1 % → 10 %"]
    for missed, late in ((1, "19"), (2, "not found")):
        tallied = Tallied(scenario.name, "code")
        for seed in range(20):
            tallied.add(ended(seed, gone=seed >= missed, calls=seed), seconds=0.1)
        assert row(scenario, tallied).split(" | ")[5] == late
        assert misses(scenario, tallied) is (missed == 2)


def test_worlds_are_chosen_by_name_or_by_a_part_of_it() -> None:
    """A whole name means that world alone."""
    assert [each.name for each in chosen(BLAMELESS, ["identical"])] == ["identical"]
    assert len(chosen(BLAMELESS, ["adversary"])) == 5 and chosen(BLAMELESS, []) == list(BLAMELESS)


def test_a_seed_gives_one_history(server: Server) -> None:
    """The same world and seed end in the same way, to the last digit; another seed does not."""
    world = replace(SCENARIOS["provider flaps, 50 %"], calls=100)
    first, again, other = (simulate(world, seed, server.url, server.switch) for seed in (1, 1, 2))
    assert first == again and first.calls != other.calls


@pytest.mark.parametrize(
    "name",
    [
        *("identical, 50 %", "shared outage, 50 %", "restart of Redis", "truncated answers in peaks"),
        *("off_schema answers and 429 for the busier arm", "refusals in peaks", "tool_loops on both arms"),
        *("tool_errors, provider flaps", "handovers on both arms"),
    ],
)
def test_a_blameless_canary_stays_through_the_whole_path(server: Server, name: str) -> None:
    """Nothing that befalls both arms rolls it back."""
    world = replace(SCENARIOS[name], calls=250)
    assert not any(simulate(world, seed, server.url, server.switch).rolled_back for seed in range(2))


def test_a_canary_on_a_dead_target_is_out_within_the_bar(server: Server) -> None:
    """It does not hide behind its circuit."""
    world = SCENARIOS["own target dead, 5 %"]
    found = [simulate(world, seed, server.url, server.switch) for seed in range(4)]
    assert all(each.rolled_back for each in found) and max(each.decided_by for each in found) <= 8


@pytest.mark.parametrize("slip", ["bad_tools", "off_schema", "tool_loops"])
def test_a_canary_whose_answers_slip_is_out_within_the_bar(server: Server, slip: str) -> None:
    """Although each of its calls is served."""
    world = SCENARIOS[f"{slip} 0 % → 100 %"]
    found = [simulate(world, seed, server.url, server.switch) for seed in range(4)]
    assert all(each.rolled_back for each in found) and max(each.decided_by for each in found) <= 20


def test_turns_are_evidence_once_their_time_is_over(server: Server) -> None:
    """Conversations that are four times as long are out after 20 minutes, and not before."""
    world = replace(SCENARIOS["conversations of 2 calls → 8"], calls=500, rps=0.8, replicas=1)
    found = simulate(world, 1, server.url, server.switch)
    assert found.rolled_back and found.seconds > 1200 and found.reason.startswith("turns <= stable * 1.5 is breached")


def test_every_world_is_described_whole() -> None:
    """A name stands once, and every conversation's words can be read again."""
    assert len(SCENARIOS) >= 40
    for scenario in SCENARIOS.values():
        said = scenario.words(random.Random(1), 7)
        assert astuple(Said.read(said.text("some words"))) == pytest.approx(astuple(said), rel=1e-5)
