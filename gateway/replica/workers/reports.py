"""Reports of what workers have counted: whichever worker is asked for metrics has those of all, by way of the parent.

Each worker has a second line to the parent for them. A worker asks, with its own report; the parent has the others send
theirs, and answers with all. It keeps the counters of workers that have ended, as they last reported them, so that no
sum ever falls. A worker that is stuck counts as it last reported.

A message is a byte that says what it is, its number, the length of what follows, and that.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from socket import socket

from gateway.errors import GatewayError
from gateway.telemetry.samples import Samples, add_up, lasting, pack, unpack, unpack_all

ASK, REPORT = b"a", b"r"  # from a worker, with its report: give me all; that is all
TELL, ALL = b"t", b"s"  # from the parent: report; here are all
PATIENCE_SECONDS = 1.0  # for the others' reports
ANSWER_SECONDS = 3.0  # for the parent's answer
_SILENT = "the workers' parent does not answer with the metrics of all; try again"
_HEAD = struct.Struct("!cII")


class ReportLine:
    """A worker's side. `report` is what it has counted."""

    def __init__(self, sock: socket, report: Callable[[], Samples]) -> None:
        self._sock = sock
        self._report = report
        self._writer: asyncio.StreamWriter | None = None
        self._asked = 0
        self._answers: dict[int, asyncio.Future[bytes]] = {}

    @property
    def is_open(self) -> bool:
        """Return whether the parent hears this worker."""
        return self._writer is not None

    async def collect(self, own: Samples) -> list[Samples]:
        """Return the reports of all workers, this one's among them. Raises GatewayError when the parent is silent."""
        if self._writer is None:  # this one's alone would be less than the last sum of all
            raise GatewayError(_SILENT)
        self._asked += 1
        number = self._asked
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            _send(self._writer, ASK, number, pack(own))
            async with asyncio.timeout(ANSWER_SECONDS):
                return unpack_all(await answer)
        except TimeoutError:
            raise GatewayError(_SILENT) from None
        finally:
            del self._answers[number]

    async def attend(self) -> None:
        """Report whenever the parent asks for it, until cancelled."""
        reader, self._writer = await asyncio.open_connection(sock=self._sock)
        async for kind, number, content in _messages(reader):
            if kind == TELL:
                _send(self._writer, REPORT, number, pack(self._report()))
            elif kind == ALL and (answer := self._answers.get(number)) and not answer.done():
                answer.set_result(content)
        self._writer.close()
        self._writer = None  # the parent is dead, and this worker drains
        await asyncio.Event().wait()

    async def finish(self) -> None:
        """Report for the last time."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):
                _send(writer, REPORT, 0, pack(self._report()))
                writer.close()
                await writer.wait_closed()


@dataclass(slots=True, eq=False)
class _Reporter:
    """A worker as the parent hears it."""

    writer: asyncio.StreamWriter
    latest: bytes = b""
    fresh: asyncio.Event = field(default_factory=asyncio.Event)


class ReportDesk:
    """The parent's side. `do` keeps a task of it."""

    def __init__(self, do: Callable[[Coroutine[object, object, None]], object]) -> None:
        self._do = do
        self._reporters: set[_Reporter] = set()
        self._ended: Samples = {}

    def __len__(self) -> int:
        """Return how many workers it hears."""
        return len(self._reporters)

    async def follow(self, sock: socket) -> None:
        """Take a worker's reports until it has ended; its counters stay."""
        reader, writer = await asyncio.open_connection(sock=sock)
        reporter = _Reporter(writer)
        self._reporters.add(reporter)
        try:
            async for kind, number, content in _messages(reader):
                reporter.latest = content
                reporter.fresh.set()
                if kind == ASK:
                    self._do(self._answer(reporter, number))
        finally:
            self._reporters.discard(reporter)
            if reporter.latest:
                self._ended = add_up([self._ended, lasting(unpack(reporter.latest))])
            reporter.fresh.set()
            writer.close()

    async def _answer(self, asking: _Reporter, number: int) -> None:
        others = [reporter for reporter in self._reporters if reporter is not asking]
        for reporter in others:
            reporter.fresh.clear()
            _send(reporter.writer, TELL, 0)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(*(reporter.fresh.wait() for reporter in others))
        reports = [pack(self._ended), *(reporter.latest for reporter in self._reporters if reporter.latest)]
        _send(asking.writer, ALL, number, b"[%s]" % b",".join(reports))


def _send(writer: asyncio.StreamWriter, kind: bytes, number: int, content: bytes = b"") -> None:
    if not writer.is_closing():
        writer.write(_HEAD.pack(kind, number, len(content)) + content)


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, int, bytes]]:
    """Yield each message until the other side is gone."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            kind, number, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
            yield kind, number, await reader.readexactly(length)
