"""Workers that never become ready: the fleet gives up, and says so."""

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway.net.server import bind
from gateway.replica.workers.fleet import MOST_FAILED_STARTS, Fleet
from gateway.replica.workers.inheritance import Post
from gateway.replica.workers.worker import WorkerPlan


class Words:
    """A log that is read back."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        processors: list[structlog.typing.Processor] = [structlog.processors.KeyValueRenderer()]
        self.log = structlog.wrap_logger(structlog.PrintLogger(self.text), processors, structlog.BoundLogger)


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[WorkerPlan]:
    """Everything is there but the configuration."""
    with bind("127.0.0.1", 0) as listener, tempfile.TemporaryFile() as counts:
        yield WorkerPlan(tmp_path / "nothing", dict(os.environ), listener, counts.fileno(), 4, None)


async def test_workers_that_only_crash_are_given_up(plan: WorkerPlan, words: Words) -> None:
    """Exit code 1 after five failed starts, each of them in the log, with growing pauses."""
    crashing = WorkerPlan(plan.folder, {"PYTHONHASHSEED": "no number"}, plan.listener, plan.counts, plan.cells, None)
    assert await Fleet(crashing, 2, words.log, 1.0).run() == 1
    said = words.text.getvalue()
    assert said.count("worker_ended") == MOST_FAILED_STARTS and said.count("workers_gave_up") == 1
    assert "pause_seconds=0.1" in said and "pause_seconds=0.2" in said
    assert plan.listener.fileno() == -1


async def test_a_configuration_that_no_worker_can_take_is_given_up_at_once(plan: WorkerPlan, words: Words) -> None:
    """Exit code 2 when a worker says so before any was ready: another try would end no better."""
    assert await Fleet(plan, 1, words.log, 1.0).run() == 2
    assert words.text.getvalue().count("worker_ended") == 1


async def test_a_fleet_that_is_stopped_while_it_starts_ends_well(plan: WorkerPlan, words: Words) -> None:
    """Nobody is waited for who has not begun."""
    fleet = Fleet(plan, 2, words.log, 1.0)
    fleet.stop()
    assert await fleet.run() == 0 and words.text.getvalue() == ""


def test_a_post_is_read_as_it_was_written() -> None:
    """Over the command line of the worker."""
    post = Post(listener=3, counts=4, cells=4, cell=1, line=5, embedded="unix:///tmp/redis.sock")
    assert Post.read(post.written()) == post
