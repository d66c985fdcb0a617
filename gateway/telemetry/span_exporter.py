"""Sending of spans to an OTLP receiver: compression, time limits, retries, and what is dropped.

Nothing of this is on a call's path. A receiver that is away has its batch tried again for a while; then it is dropped
and counted.
"""

import asyncio
import gzip
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.errors import Headers, ProviderError, SerinusError
from gateway.headers import retry_after
from gateway.logs import Log
from gateway.net.client import Request, Transport
from gateway.telemetry.otel_settings import OtelSettings
from gateway.telemetry.otlp import rejected_in

Lost = Literal["queue_full", "unreachable", "refused", "rejected", "stopped"]
TRIES = 5
_RETRIED = (429, 502, 503, 504)  # OTLP/HTTP: all other errors are final
_LONGEST_WAIT_SECONDS = 60.0
_ANSWER_BYTES = 64 * 1024
_OK = range(200, 300)
_LEVEL = 6  # zlib's usual one: spans are alike, and become a hundredth


@dataclass(frozen=True, slots=True)
class _Failure:
    """Failure to hand over a batch. `wait` is what the receiver asked for, in seconds."""

    why: str
    is_final: bool = False
    wait: float | None = None


@dataclass(slots=True)
class SpanExporter:
    """The sender of one replica. `dropped` counts spans by what became of them; `retry` is the first wait in seconds,
    `draw` is uniform in 0…1."""

    settings: OtelSettings
    transport: Transport
    log: Log
    unix: Callable[[], float]
    draw: Callable[[], float] = random.SystemRandom().random
    retry: float = 1.0
    dropped: Counter[Lost] = field(default_factory=Counter)
    _is_away: bool = False

    async def send(self, body: bytes, spans: int) -> None:
        """Send a request with so many spans, until it is taken or given up."""
        headers = self._headers()
        if self.settings.compresses:
            body = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
        request = Request("POST", self.settings.origin, self.settings.path, headers, body)
        failure, tried = await self._try(request), 1
        while failure is not None and not failure.is_final and tried < TRIES:
            self._complain(failure.why)
            await asyncio.sleep(self._wait(tried, failure.wait))
            failure, tried = await self._try(request), tried + 1
        if failure is None:
            self._succeed()
            return
        lost: Lost = "refused" if failure.is_final else "unreachable"
        self.dropped[lost] += spans
        self.log.warning("spans_dropped", spans=spans, why=failure.why, receiver=self._receiver)

    async def aclose(self) -> None:
        """Close the connections to the receiver."""
        await self.transport.aclose()

    async def _try(self, request: Request) -> _Failure | None:
        try:
            async with asyncio.timeout(self.settings.timeout):
                response = await self.transport.send(request)
                try:
                    status, answer = response.status, await response.whole(_ANSWER_BYTES)
                finally:
                    await response.aclose()
        except TimeoutError:
            return _Failure(f"no answer within {self.settings.timeout:g} s")
        except ProviderError as error:
            return _Failure(f"no connection ({error.kind})" if error.kind == "connect" else f"no answer ({error.kind})")
        except SerinusError as error:  # it cannot be written
            return _Failure(str(error), is_final=True)
        if status in _OK:
            self.dropped["rejected"] += rejected_in(answer)
            return None
        return _Failure(f"status {status}", status not in _RETRIED, self._asked(response.headers))

    def _asked(self, headers: Headers) -> float | None:
        return retry_after(headers, self.unix())

    def _wait(self, tried: int, asked: float | None) -> float:
        """Return the seconds until the next try: twice as long each time, by chance up to half shorter."""
        if asked is not None:
            return min(asked, _LONGEST_WAIT_SECONDS)
        return min(self.retry * 2.0 ** (tried - 1), _LONGEST_WAIT_SECONDS) * (1.0 - self.draw() / 2.0)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        fixed = [(b"content-type", b"application/x-protobuf"), (b"user-agent", b"serinus-otlp")]
        if self.settings.compresses:
            fixed.append((b"content-encoding", b"gzip"))
        return [*fixed, *self.settings.headers]

    @property
    def _receiver(self) -> str:
        return f"{self.settings.origin.host}:{self.settings.origin.port}"

    def _complain(self, why: str) -> None:
        """Log that the receiver takes nothing, once until it does."""
        if not self._is_away:
            self._is_away = True
            self.log.warning("spans_not_exported", why=why, receiver=self._receiver)

    def _succeed(self) -> None:
        if self._is_away:
            self._is_away = False
            self.log.info("spans_exported_again", receiver=self._receiver)
