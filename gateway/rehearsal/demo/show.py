"""Run the demo: start the processes, send traffic, tell the story on a screen, and stop everything again."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, Protocol

from rich.console import Console

from gateway.errors import GatewayError
from gateway.rehearsal.demo import summary
from gateway.rehearsal.demo.checks import checks
from gateway.rehearsal.demo.children import DemoFailed
from gateway.rehearsal.demo.panel import PanelScreen
from gateway.rehearsal.demo.picture import Picture, picture
from gateway.rehearsal.demo.plain import PlainScreen
from gateway.rehearsal.demo.stage import Stage, set_up
from gateway.rehearsal.demo.story import Story, first_of

_FRAME_SECONDS = 0.125
_GENTLE_CALLS_PER_SECOND = 8.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen(Protocol):
    """Display of the demo."""

    def say(self, text: str, seconds: float) -> None: ...
    def paint(self, picture: Picture) -> None: ...
    def list(self, rows: Sequence[Sequence[str]]) -> None: ...
    def write(self, text: str) -> None: ...
    def pause(self) -> None: ...


def demo(*, ends: bool) -> int:
    """Show a rollback; the exit code: 0 when all that was promised was seen, 1 otherwise.

    Without `ends` it stays up afterwards, with traffic flowing gently, until Ctrl-C.
    """
    prefix = "serinus-demo-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder, asyncio.Runner() as runner:
        return runner.run(_demo(Path(folder), ends=ends))


async def _demo(folder: Path, *, ends: bool) -> int:
    console = Console(highlight=False, markup=False)
    is_terminal = console.is_terminal and not console.is_dumb_terminal
    screen: Screen = PanelScreen(console) if is_terminal else PlainScreen()
    show = Show(screen, ends=ends)
    try:
        with _signals() as wait_for_signal:
            await first_of(show.run(folder), wait_for_signal)
    except (DemoFailed, GatewayError) as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        return 1
    screen.write("All that the demo started has ended.")
    return show.code


class Show:
    """A run of the demo. `code` is its exit code so far."""

    def __init__(self, screen: Screen, *, ends: bool) -> None:
        self.code = 1
        self._screen = screen
        self._ends = ends
        self._began_at = time()

    async def run(self, folder: Path) -> None:
        """Run the whole demo in an empty folder. Raises DemoFailed and what the store raises."""
        self._say("starting a private Redis, a stand-in provider and two gateway replicas")
        try:
            async with set_up(folder) as stage:
                self._say(f"watch it in a browser: {stage.page}")
                await self._perform(Story(stage, self._say))
        finally:
            self._screen.pause()

    async def _perform(self, story: Story) -> None:
        self._began_at, stage = story.began_at, story.stage
        self._say(f"watch it in a browser: {summary.live_page(stage.replicas[0].root_url)}")
        try:
            await first_of(self._play(story), stage.watch(), stage.traffic.flow(), self._frames(story))
        except DemoFailed:
            self._conclude(story)
            raise

    async def _play(self, story: Story) -> None:
        await story.tell()
        self._conclude(story)
        if not self._ends:
            await self._stay(story.stage)

    async def _frames(self, story: Story) -> None:
        while True:
            self._screen.paint(picture(story, time()))
            await asyncio.sleep(_FRAME_SECONDS)

    async def _stay(self, stage: Stage) -> None:
        stage.traffic.calls_per_second = _GENTLE_CALLS_PER_SECOND
        self._screen.write("It stays up, and traffic goes on gently. Look at it from a browser or another terminal:")
        for text in summary.where_to_look([child.root_url for child in stage.replicas], _command(), stage.token):
            self._screen.write(f"  {text}")
        self._screen.write("Ctrl-C ends it.\n")
        await asyncio.Event().wait()

    def _conclude(self, story: Story) -> None:
        """Say what was seen and what was not, also of a story that broke off."""
        self._screen.pause()
        facts, ledger = story.facts, story.stage.ledger
        found = checks(facts, ledger)
        self.code = int(not all(check.kept for check in found))
        if self.code:
            problems = [f"{count} × {problem}" for problem, count in ledger.problems.most_common()]
            print(story.stage.tails(), *problems, sep="\n", file=sys.stderr, flush=True)
        self._screen.write("")
        if rows := summary.figures(facts, ledger):
            self._screen.list(rows)
        self._screen.list(summary.marks(found))
        self._screen.write(f"{summary.verdict(found)}\n")

    def _say(self, text: str) -> None:
        self._screen.say(text, time() - self._began_at)


@contextmanager
def _signals() -> Iterator[Coroutine[Any, Any, None]]:
    """Something to wait for that ends with the first signal; further ones do not disturb the taking down."""
    loop, signalled = asyncio.get_running_loop(), asyncio.Event()

    async def wait_for_signal() -> None:
        await signalled.wait()

    for number in _SIGNALS:
        loop.add_signal_handler(number, signalled.set)
    try:
        yield wait_for_signal()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _command() -> str:
    """Return this very command as it is called from the current folder."""
    if shutil.which("serinus"):
        return "serinus"
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "serinus" else f"{os.path.relpath(sys.executable)} -m gateway"
