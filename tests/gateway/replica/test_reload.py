import asyncio
import contextlib
from collections import UserDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.config import ConfigProblems, Deployment, Problem, load
from gateway.replica.reload import FileWatch, Reloader, watch_in_thread
from tests.gateway.config.folders import ENVIRON, FILES, GATEWAY, ROUTING, loaded, write

pytestmark = pytest.mark.files

SOON = 5.0  # seconds; a reload takes a fifth of one, the rest is for a busy machine


@dataclass
class Seen:
    """What a reloader told, in order."""

    folder: Path
    applied: list[Deployment] = field(default_factory=list)
    refused: list[ConfigProblems] = field(default_factory=list)

    def reloader(self, folder: Path | None = None) -> Reloader:
        folder = folder or self.folder
        return Reloader(folder, ENVIRON, self.applied.append, self.refused.append, loaded(folder))

    def weights(self) -> list[int]:
        return [deployment.agents["support"].steps[0].weight for deployment in self.applied]


class Environ(UserDict[str, str]):
    """An environment that counts how often it is asked, as it is whenever the folder is loaded."""

    asked = 0

    def __getitem__(self, name: str) -> str:
        self.asked += 1
        return super().__getitem__(name)


@contextlib.asynccontextmanager
async def running(reloader: Reloader, watch: FileWatch = watch_in_thread) -> AsyncIterator[None]:
    """The reloader at work; the pause lets the watch be set up."""
    task = asyncio.create_task(reloader.run(watch))
    await asyncio.sleep(0.3)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds; the reloader tells through plain callbacks and attributes, as it does in the gateway."""
    async with asyncio.timeout(SOON):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


async def wait_for(count: int, what: list[Deployment] | list[ConfigProblems]) -> None:
    """Wait until so much was told."""
    await until(lambda: len(what) >= count)


def routing(weight: str) -> dict[str, str]:
    return {"routing.yaml": ROUTING.replace("5%", weight)}


@pytest_asyncio.fixture
async def seen(tmp_path: Path) -> Seen:
    """A good folder, in which nothing happened yet."""
    return Seen(write(tmp_path / "config", FILES))


async def test_what_this_process_cannot_take_is_refused(tmp_path: Path) -> None:
    """Valid files that `prepare` turns away are a refusal as any other: the old deployment goes on."""
    seen = Seen(write(tmp_path, FILES))

    async def refuse(_: Deployment) -> None:
        raise ConfigProblems([Problem("gateway.yaml", 0, "keys", "not here")])

    before = loaded(seen.folder)
    reloader = Reloader(seen.folder, ENVIRON, seen.applied.append, seen.refused.append, before, refuse)
    write(tmp_path, {"routing.yaml": ROUTING.replace("5%", "7%")})
    assert await reloader.reload_now()
    assert (seen.applied, reloader.current) == ([], before)
    assert "not here" in str(reloader.error)


async def test_an_edit_is_applied(seen: Seen) -> None:
    """Once, without a restart."""
    async with running(seen.reloader()):
        write(seen.folder, routing("25%"))
        await wait_for(1, seen.applied)
    assert seen.weights() == [2500]
    assert seen.refused == []


async def test_a_broken_file_keeps_the_old_deployment_and_is_tried_again(seen: Seen) -> None:
    """The problems are told and kept until the next edit is well; the same content as before only clears them."""
    reloader = seen.reloader()
    async with running(reloader):
        write(seen.folder, {"routing.yaml": ROUTING[:40]})
        await wait_for(1, seen.refused)
        assert seen.refused == [reloader.error]
        write(seen.folder, routing("5%"))
        await until(lambda: reloader.error is None)
    assert seen.applied == []


async def test_a_file_that_an_editor_replaces_by_renaming(seen: Seen) -> None:
    """Vim and most tools write beside the file and rename."""
    async with running(seen.reloader()):
        for weight in ("10%", "20%"):
            write(seen.folder, {".routing.yaml.swp": ROUTING.replace("5%", weight)})
            (seen.folder / ".routing.yaml.swp").rename(seen.folder / "routing.yaml")
            await wait_for(1 if weight == "10%" else 2, seen.applied)
    assert seen.weights() == [1000, 2000]


async def test_a_prompt_file_is_part_of_the_folder(seen: Seen) -> None:
    """An edited prompt is another version, whatever its file is called."""
    prompted = {"agents/support/v1.yaml": "model: openai/x\nsystem_prompt: {file: p.md}\n", "p.md": "One."}
    write(seen.folder, prompted)
    async with running(seen.reloader()):
        write(seen.folder, {**prompted, "p.md": "Two."})
        await wait_for(1, seen.applied)
    assert seen.applied[0].agents["support"].versions["v1"].system_prompt == "Two."


async def test_a_new_agent_folder_is_seen(seen: Seen) -> None:
    """Folders that come later are watched as well."""
    async with running(seen.reloader()):
        write(seen.folder, {"agents/new/v1.yaml": "model: openai/x"})
        write(seen.folder, {"routing.yaml": f"{ROUTING}  new: {{stable: v1}}\n"})
        await wait_for(1, seen.applied)
        count = len(seen.applied)
        write(seen.folder, {"agents/new/v1.yaml": "model: openai/y"})
        await wait_for(count + 1, seen.applied)
    assert seen.applied[-1].agents["new"].versions["v1"].target.model == "y"


async def test_links_that_kubernetes_swaps(tmp_path: Path, seen: Seen) -> None:
    """A ConfigMap changes by renaming one link; twice, because the second swap comes from a folder seen later."""
    mounted = tmp_path / "mounted"
    write(mounted / "..1", FILES)
    (mounted / "..data").symlink_to("..1")
    for name in ("gateway.yaml", "routing.yaml", "agents"):
        (mounted / name).symlink_to(f"..data/{name}")
    reloader = Reloader(mounted, ENVIRON, seen.applied.append, seen.refused.append)
    await reloader.reload_now()
    async with running(reloader):
        for number, weight in ((2, "10%"), (3, "20%")):
            write(mounted / f"..{number}", {**FILES, **routing(weight)})
            (mounted / "..data_tmp").symlink_to(f"..{number}")
            (mounted / "..data_tmp").rename(mounted / "..data")
            await wait_for(number, seen.applied)
    assert seen.weights() == [500, 1000, 2000]


async def test_the_folder_itself_is_a_link_that_is_swapped(tmp_path: Path, seen: Seen) -> None:
    """A release folder behind a link: the first swap is noticed, and edits after it as well."""
    write(tmp_path / "next", {**FILES, **routing("10%")})
    link = tmp_path / "link"
    link.symlink_to(seen.folder)
    async with running(seen.reloader(link)):
        (tmp_path / "tmp").symlink_to(tmp_path / "next")
        (tmp_path / "tmp").rename(link)
        await wait_for(1, seen.applied)
        write(tmp_path / "next", routing("20%"))
        await wait_for(2, seen.applied)
    assert seen.weights() == [1000, 2000]


async def test_the_folder_vanishes_and_comes_back(tmp_path: Path, seen: Seen) -> None:
    """While it is away the old deployment goes on; afterwards edits count again."""
    reloader = seen.reloader()
    async with running(reloader):
        seen.folder.rename(tmp_path / "away")
        await wait_for(1, seen.refused)
        write(tmp_path / "away", routing("10%"))
        (tmp_path / "away").rename(seen.folder)
        await wait_for(1, seen.applied)
    assert seen.weights() == [1000]
    assert reloader.error is None


async def test_without_notifications_the_folder_is_polled(seen: Seen) -> None:
    """Where the system has no watch left (inotify's limit), an edit is still taken up."""
    modes: list[bool] = []

    async def exhausted(path: Path, /, *, force_polling: bool, **options: object) -> AsyncGenerator[set[object], None]:
        modes.append(force_polling)
        if not force_polling:
            raise RuntimeError("Error creating recommended watcher: Too many open files (os error 24)")
        async for changes in watch_in_thread(path, force_polling=True, **options):
            yield set(changes)

    async with running(seen.reloader(), exhausted):  # type: ignore[arg-type]
        await until(lambda: True in modes)
        write(seen.folder, routing("25%"))
        await wait_for(1, seen.applied)
    assert modes[:2] == [False, True]


async def test_hidden_files_are_nobodys_business(seen: Seen) -> None:
    """The store's data or a repository inside the folder cause no loading."""
    reloader = seen.reloader()
    async with running(reloader):
        write(seen.folder, {".serinus/appendonly.aof": "x", ".git/index": "y", **routing("7")})
        await wait_for(1, seen.refused)
        for number in range(20):
            write(seen.folder, {".serinus/appendonly.aof": "x" * number})
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
    assert len(seen.refused) == 1


async def test_the_embedded_stores_writing_is_no_edit(seen: Seen) -> None:
    """It appends to its file several times a second, perhaps in a folder inside the watched one; edits still count."""
    files = {**FILES, "gateway.yaml": f"{FILES['gateway.yaml']}data: {seen.folder / 'data'}\n"}
    environ = Environ(ENVIRON)
    write(seen.folder, {**files, "data/redis/appendonly.aof": ""})
    reloader = Reloader(seen.folder, environ, seen.applied.append, seen.refused.append, load(seen.folder, ENVIRON))
    async with running(reloader):
        for number in range(50):
            write(seen.folder, {"data/redis/appendonly.aof": "x" * number})
            await asyncio.sleep(0.05)
        assert environ.asked == 0
        write(seen.folder, routing("25%"))
        await wait_for(1, seen.applied)


async def test_a_log_in_the_folder_costs_few_loads(seen: Seen) -> None:
    """What is written all the time, and is no part of the configuration, makes a load in some seconds; edits count."""
    environ = Environ(ENVIRON)
    reloader = Reloader(seen.folder, environ, seen.applied.append, seen.refused.append, loaded(seen.folder))
    await reloader.reload_now()
    each, environ.asked = environ.asked, 0
    async with running(reloader):
        for number in range(80):
            write(seen.folder, {"serinus.log": "x" * number})
            await asyncio.sleep(0.05)
        assert 1 <= environ.asked / each <= 4
        write(seen.folder, routing("25%"))
        await wait_for(1, seen.applied)


@pytest.mark.parametrize("gap", [0.12, 0.2])
async def test_a_file_that_is_written_in_parts_is_read_once(seen: Seen, gap: float) -> None:
    """`scp`, `kubectl cp` and `cat >` leave gaps, and the first part may be valid YAML with half a prompt."""
    file, whole = (
        seen.folder / "agents/support/v1.yaml",
        "model: openai/gpt-4o-like\nsystem_prompt: Be kind. Never lie.\n",
    )
    async with running(seen.reloader()):
        for end in (whole.index("Never"), len(whole)):
            file.write_text(whole[:end])
            await asyncio.sleep(gap)
        await wait_for(1, seen.applied)
        await asyncio.sleep(0.5)
    prompts = [each.agents["support"].versions["v1"].system_prompt for each in seen.applied]
    assert prompts == ["Be kind. Never lie."] and seen.refused == []


@pytest.mark.parametrize("part", ["agents:\n  support:\n    stable: v1\n", "agents:\n  other: {stable: v1}\n"])
async def test_no_trial_ends_on_a_first_reading(seen: Seen, part: str) -> None:
    """A part of `routing.yaml` that rests for a moment names no canary, or not even the agent."""
    write(seen.folder, {"agents/other/v1.yaml": FILES["agents/support/v1.yaml"]})
    async with running(seen.reloader()):
        write(seen.folder, {"routing.yaml": part})
        await asyncio.sleep(0.9)
        write(seen.folder, routing("7%"))
        await wait_for(1, seen.applied)
        await asyncio.sleep(0.5)
    assert seen.weights() == [700]


async def test_a_trial_that_an_edit_ends_is_over(seen: Seen) -> None:
    """The second reading agrees; `reload_now`, as on SIGHUP, needs only one."""
    reloader = seen.reloader()
    async with running(reloader):
        write(seen.folder, {"routing.yaml": "agents:\n  support:\n    stable: v1\n"})
        await wait_for(1, seen.applied)
    write(seen.folder, routing("7%"))
    assert await reloader.reload_now() and len(seen.applied) == 2
    write(seen.folder, {"routing.yaml": "agents:\n  support:\n    stable: v2\n"})
    async with asyncio.timeout(0.9):
        assert await reloader.reload_now()


async def test_reload_now_looks_at_once(seen: Seen) -> None:
    """For SIGHUP: no watch needed; the same content again is not applied twice."""
    reloader = seen.reloader()
    write(seen.folder, routing("25%"))
    await reloader.reload_now()
    await asyncio.gather(reloader.reload_now(), reloader.reload_now())
    assert seen.weights() == [2500]
    assert reloader.current is seen.applied[0]


async def test_what_is_applied_was_prepared_first(seen: Seen) -> None:
    """Once, and what is refused is not."""
    steps = list[str]()

    async def prepare(deployment: Deployment) -> None:
        await asyncio.sleep(0.01)
        steps.append(f"prepared {deployment.agents['support'].steps[0].weight}")

    def apply(deployment: Deployment) -> None:
        steps.append(f"applied {deployment.agents['support'].steps[0].weight}")

    reloader = Reloader(seen.folder, ENVIRON, apply, seen.refused.append, loaded(seen.folder), prepare)
    for weight in ("10%", "nonsense", "10%", "25%"):
        write(seen.folder, routing(weight))
        await reloader.reload_now()
    assert steps == ["prepared 1000", "applied 1000", "prepared 2500", "applied 2500"]
    assert len(seen.refused) == 1


async def test_loading_never_blocks_the_event_loop(seen: Seen) -> None:
    """Two hundred versions are read in a thread, and the traffic goes on meanwhile."""
    names = [f"agent-{number}" for number in range(100)]
    write(
        seen.folder,
        {f"agents/{name}/{v}.yaml": FILES[f"agents/support/{v}.yaml"] for name in names for v in ("v1", "v2")},
    )
    write(seen.folder, {"routing.yaml": ROUTING + "".join(f"  {name}: {{stable: v1}}\n" for name in names)})
    reloader = Reloader(seen.folder, ENVIRON, seen.applied.append, seen.refused.append)
    reloading = asyncio.create_task(reloader.reload_now())
    ticks = 0
    while not reloading.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert len(seen.applied[0].agents) == 101
    assert ticks >= 5


async def test_a_key_that_was_taken_out_is_revoked_beside_a_broken_file(seen: Seen) -> None:
    """What stays is told; once all is well again the files hold, even if they are those of before."""
    one, two = "11" * 32, "22" * 32
    both = f"{GATEWAY}keys: {{a: {{sha256: '{one}'}}, b: {{sha256: '{two}'}}}}\n"
    before, kept = loaded(seen.folder, {"gateway.yaml": both}), list[frozenset[bytes]]()

    def revoke(digests: frozenset[bytes]) -> bool:
        kept.append(digests)
        return True

    reloader = Reloader(seen.folder, ENVIRON, seen.applied.append, seen.refused.append, before, revoke=revoke)
    write(seen.folder, {"routing.yaml": "agents: [", "gateway.yaml": both})
    assert await reloader.reload_now() and kept == []
    write(seen.folder, {"gateway.yaml": both.replace(f", b: {{sha256: '{two}'}}", "")})
    assert await reloader.reload_now()
    assert (kept, seen.applied, len(seen.refused)) == ([frozenset({bytes.fromhex(one)})], [], 2)
    write(seen.folder, {"routing.yaml": ROUTING, "gateway.yaml": both})
    assert await reloader.reload_now() and seen.applied[-1].digest == before.digest
