"""Keep the wanted number of workers alive, replace them one after another, and end them all."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic

from gateway.logs import Log
from gateway.net.server import ConnectionCounts
from gateway.replica.workers.reports import ReportDesk
from gateway.replica.workers.worker import Worker, WorkerPlan, start

START_SECONDS = 60.0  # for a new worker to be ready; importing everything on a busy machine takes some of them
AFTER_DRAIN_SECONDS = 15.0  # for the last flush, with a store that does not answer; then a worker is killed
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
LONG_LIFE_SECONDS = 10.0  # who lived so long is replaced without a longer pause
MOST_FAILED_STARTS = 5  # of all workers together, before any was ever ready
WELL, GAVE_UP, WRONG_CONFIGURATION = 0, 1, 2


class Fleet:
    """`count` workers. For one use: `run` it once; `stop` and `renew` it from signal handlers.

    `drain_seconds` is how long a worker's drain may take; it may be changed at any time.
    """

    def __init__(
        self, plan: WorkerPlan, count: int, log: Log, drain_seconds: float, greet: Callable[[], None] = lambda: None
    ) -> None:
        self.drain_seconds = drain_seconds
        self._greet = greet
        self._plan, self._count, self._log = plan, count, log
        self._counts = ConnectionCounts(plan.counts, plan.cells)
        self._cells = {*range(plan.cells)}  # those that no worker has
        self._workers: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self._was_ready = False
        self._failed_starts = 0
        self._code = WELL
        self._desk = ReportDesk(self._do)

    async def run(self) -> int:
        """Keep the workers until `stop`, and return when all of them have ended; the exit code.

        0 after a stop; when no worker ever became ready 1, or 2 if one said that the configuration is why.
        """
        for _ in range(self._count):
            self._do(self._begin())
        await self._over.wait()
        while self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._patience)
            for worker in self._workers if late else ():
                worker.signal(signal.SIGKILL)
        return self._code

    def stop(self) -> None:
        """Close the port and let every worker drain. Called again: cut what is open."""
        haste = self._over.is_set()
        self._over.set()
        self._plan.listener.close()  # else the kernel would go on to take connections that nobody serves
        for worker in self._workers:
            if haste or not worker.is_ending:
                worker.signal(signal.SIGTERM)

    def renew(self) -> None:
        """Replace every worker, one after another, each once its successor is ready. During a renewal: nothing."""
        if self._renewal is None or self._renewal.done():
            self._renewal = self._do(self._renew())

    @property
    def _patience(self) -> float:
        return self.drain_seconds + AFTER_DRAIN_SECONDS

    async def _begin(self) -> None:
        if worker := await self._start():
            await self._follow(worker)

    async def _start(self) -> Worker | None:
        """A new worker, which may not be ready yet; None once all is over."""
        while not self._over.is_set():
            cell = self._cells.pop()
            try:
                worker = await start(self._plan, cell)
            except OSError as error:  # no memory, no process left
                self._cells.add(cell)
                self._log.error("worker_not_started", error=str(error))
                await self._unless_over(LONGEST_PAUSE_SECONDS)
            else:
                self._workers.add(worker)
                self._do(self._desk.follow(worker.reports))
                self._do(self._welcome(worker))
                return worker
        return None

    async def _welcome(self, worker: Worker) -> None:
        if self._over.is_set():
            worker.signal(signal.SIGTERM)
        elif await worker.ready(START_SECONDS):
            self._log.info("worker_ready", pid=worker.process.pid, replica=worker.replica)
            if not self._was_ready:
                self._was_ready = True
                self._greet()

    async def _follow(self, worker: Worker) -> None:
        """Put another one in its place whenever it ends, until one ends that is not kept."""
        pause, found = FIRST_PAUSE_SECONDS, worker
        while True:
            code = await found.process.wait()
            self._bury(found)
            if self._over.is_set() or not found.is_kept:
                return
            lived = monotonic() - found.began
            pause = FIRST_PAUSE_SECONDS if found.replica and lived > LONG_LIFE_SECONDS else pause
            self._log.error(
                "worker_ended", pid=found.process.pid, replica=found.replica, exit_code=code,
                lived_seconds=round(lived, 3), pause_seconds=pause,
            )  # fmt: skip
            self._count_failed_start(code)
            await self._unless_over(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            another = await self._start()
            if another is None:
                return
            found = another

    def _bury(self, worker: Worker) -> None:
        self._workers.discard(worker)
        self._counts.clear(worker.cell)
        self._cells.add(worker.cell)
        worker.close()

    def _count_failed_start(self, code: int) -> None:
        """Give up where no worker was ever ready, and another try would end no better."""
        if self._was_ready:
            return
        self._failed_starts += 1
        if code == WRONG_CONFIGURATION or self._failed_starts >= MOST_FAILED_STARTS:
            self._give_up(code if code == WRONG_CONFIGURATION else GAVE_UP)

    def _give_up(self, code: int) -> None:
        if not self._over.is_set():
            self._log.error("workers_gave_up", failed_starts=self._failed_starts)
            self._code = code
            self.stop()

    async def _renew(self) -> None:
        self._log.info("restarting", workers=len(self._workers))
        for old in [worker for worker in self._workers if worker.is_kept]:
            if not await self._replace(old):
                if not self._over.is_set():
                    self._log.error("restart_failed", pid=old.process.pid)
                return
        self._log.info("restarted", workers=len(self._workers))

    async def _replace(self, old: Worker) -> bool:
        """Put a new worker in the place of this one; whether that went well. Where not, the old one stays."""
        old.is_kept = False  # should it die by itself meanwhile, its successor is on its way already
        new = await self._start()
        if new is None:
            return False
        new.is_kept = False
        self._do(self._follow(new))
        if not await new.ready(START_SECONDS) or new not in self._workers:
            new.signal(signal.SIGKILL)
            self._keep_after_all(old)
            return False
        new.is_kept = True
        old.retire()
        await old.end(self._patience)
        return not self._over.is_set()

    def _keep_after_all(self, old: Worker) -> None:
        old.is_kept = True
        if old not in self._workers:
            self._do(self._begin())

    async def _unless_over(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    def _do(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._did)
        return task

    def _did(self, task: asyncio.Task[None]) -> None:
        """The outermost edge: a bug ends the fleet in good order, and is logged with its trace."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._log.error("bug", work="workers", exc_info=error)
            self._give_up(GAVE_UP)
