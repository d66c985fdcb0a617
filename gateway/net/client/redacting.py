"""Answers without the secrets that the provider was sent, whatever it quotes: headers, bodies, streams, errors."""

from collections.abc import Callable
from typing import Self

from gateway.errors import Headers, ProviderError
from gateway.net.client import Chunks, Response
from gateway.redaction import RedactedPieces, Redactor


def as_they_came(response: Response) -> Chunks:
    """The chunks of an answer with the secrets in them, for a reader that redacts whatever it hands on."""
    return response.inner.chunks() if isinstance(response, RedactedResponse) else response.chunks()


class RedactedResponse:
    """A response in which the secrets are stars."""

    __slots__ = ("_redactor", "aclose", "encoding", "headers", "inner", "status")

    def __init__(self, inner: Response, redactor: Redactor) -> None:
        self.status = inner.status
        self.encoding = inner.encoding
        self.headers: Headers = redactor.headers(inner.headers)
        self.inner = inner
        self.aclose = inner.aclose
        self._redactor = redactor

    def chunks(self) -> Chunks:
        return _RedactedChunks(self.inner.chunks(), self._redactor)

    async def whole(self, limit: int) -> bytes:
        try:
            body = await self.inner.whole(limit)
        except ProviderError as error:
            redact(error, self._redactor)
            raise
        return self._redactor.plain(body) if self.status < 300 else self._redactor.thorough(body)


class _RedactedChunks:
    """The chunks of an answer in which the secrets are stars."""

    __slots__ = ("_inner", "_pieces", "_redactor")

    def __init__(self, inner: Chunks, redactor: Redactor) -> None:
        self._inner = inner
        self._pieces = RedactedPieces(redactor)
        self._redactor = redactor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            while True:
                chunk = await anext(self._inner, None)
                if chunk is None:
                    break
                if clean := self._pieces.feed(chunk):
                    return clean
        except ProviderError as error:
            redact(error, self._redactor)
            raise
        if rest := self._pieces.end():
            return rest
        raise StopAsyncIteration

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        feed = self._pieces.feed

        def through(chunk: bytes) -> bool:
            clean = feed(chunk)
            return not clean or into(clean)

        try:
            if await self._inner.pour(through):
                return True
        except ProviderError as error:
            redact(error, self._redactor)
            raise
        rest = self._pieces.end()
        return bool(rest) and not into(rest)


def redact(error: ProviderError, redactor: Redactor) -> None:
    """Take the secrets out of the error's message."""
    error.message = redactor.text(error.message)
    error.args = (error.message,)
