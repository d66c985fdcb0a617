"""`serinus standin load`: a steady stream of conversations for a rehearsal, and who answered them."""

import asyncio
import json
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from urllib.parse import urlsplit

from .server import WRONG_USAGE

_REPORT_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
_MOST_OPEN = 1000  # calls at once; a gateway that hangs is not buried under more
_MOST_RPS = 10_000


@dataclass(slots=True)
class Load:
    """Traffic of one agent at a steady pace; each call is a conversation of its own."""

    host: str
    port: int
    agent: str
    key: str
    answers: Counter[str] = field(default_factory=Counter)
    _open: set["asyncio.Task[None]"] = field(default_factory=set)

    async def flow(self, rps: float) -> None:
        """Send until cancelled; the calls that are under way end by themselves."""
        began = monotonic()
        for number in count():
            await asyncio.sleep(max(0.0, began + number / rps - monotonic()))
            if len(self._open) < _MOST_OPEN:
                task = asyncio.create_task(self._call(number))
                self._open.add(task)
                task.add_done_callback(self._open.discard)

    async def finish(self) -> None:
        """Wait for the calls that are under way."""
        await asyncio.gather(*self._open)

    async def _call(self, number: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer = await self._ask(number)
        except (OSError, ValueError) as error:
            answer = f"no answer ({type(error).__name__})"
        self.answers[answer] += 1

    async def _ask(self, number: int) -> str:
        """Make one call; the version that answered, or the status of an error."""
        messages = [{"role": "user", "content": f"Hello {number}"}]
        body = json.dumps({"model": self.agent, "messages": messages}).encode()
        key = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {self.host}:{self.port}\r\nconnection: close\r\n{key}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            await reader.read()
        finally:
            writer.close()
        status = lines[0].split()[1]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return headers.get("x-serinus-version", "answered") if status == "200" else f"HTTP {status}"


def send(url: str, agent: str, rps: float, key: str) -> int:
    """Send calls until SIGINT or SIGTERM; the exit code: 0, or 2 for what cannot be sent."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not 0 < rps <= _MOST_RPS:
        print(f"write --url http://host:port, and --rps above 0 and at most {_MOST_RPS}", file=sys.stderr)
        return WRONG_USAGE
    asyncio.run(_send(Load(parts.hostname, parts.port or 80, agent, key), rps))
    return 0


async def _send(load: Load, rps: float) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    flow = asyncio.create_task(load.flow(rps))
    while not ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _REPORT_SECONDS)
        said = ", ".join(f"{name} {number}" for name, number in sorted(load.answers.items()))
        print(f"{sum(load.answers.values())} calls: {said or 'no answer yet'}", flush=True)
    flow.cancel()
    with suppress(asyncio.CancelledError):
        await flow
    await load.finish()
