"""Bodies on their way through: held where they must be read, streamed where they need not be.

An `Incoming` is a request's body as the server hands it in. An `UploadBody` is what becomes of it: `Held` is all there,
and may be sent again; a `Stream` goes up as it comes, and a `FormStream` with the version's model put in on the way.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import BodyTooLarge
from gateway.formats.registry import CLIENTS
from gateway.headers import JSON
from gateway.json_body import Document, encode
from gateway.net.asgi import Message, PlainReceive
from gateway.net.client import Upload
from gateway.passthrough.form import Form

_PREFIX = "/v1/"
_OTHERS = [side.others for side in CLIENTS.values() if side.others is not None]
_SESSIONS = tuple(f"{each}/" for others in _OTHERS if others.uploads for each in others.uploads.prefixes)
# What is answered here, and never passed: api's routes have the last word, and a test compares the two.
_OURS = ("chat/completions", "completions", "embeddings", "escalations", "feedback", "messages", "models")
_WITH_DEFAULT_MODEL = frozenset({"audio", "images", "moderations", "videos"})
# Files and stores of files: no body there names a model, so nothing is looked for behind the first file's beginning.
_WITHOUT_MODEL = frozenset({"containers", "files", "skills", "uploads", "vector_stores"})


def takes_uploads(path: str) -> bool:
    """Return whether bodies sent to that path are streamed, and so may be longer than bodies that are read."""
    if path.startswith(_SESSIONS):
        return True
    if not path.startswith(_PREFIX) or path == "/v1/responses":
        return False
    rest = path.removeprefix(_PREFIX)
    return not any(rest == own or rest.startswith(f"{own}/") for own in _OURS)


def takes_raw_bytes(path: str) -> bool:
    """Return whether a body sent to that path (what follows `/v1`) never names a model."""
    return path.split("/")[1] in _WITHOUT_MODEL


def has_default_model(path: str) -> bool:
    """Return whether the provider chooses a model for JSON at that path that names none."""
    return path.split("/")[1] in _WITH_DEFAULT_MODEL


def may_name_model(path: str) -> bool:
    """Return whether a form sent to that path (what follows `/v1`) may name its model behind a file."""
    return not takes_raw_bytes(path)


class Incoming:
    """A request's body, in place of ASGI's `receive`. `length` is what Content-Length says; `whole` is set once all of
    it has come."""

    __slots__ = ("_receive", "length", "whole")

    def __init__(self, receive: PlainReceive, length: int | None, is_chunked: bool) -> None:
        self._receive = receive
        self.length = length
        self.whole = not (length or is_chunked)

    async def __call__(self) -> Message:
        message = await self._receive()
        self.whole = not message.get("more_body", False)
        return message

    async def piece(self) -> bytes:
        """Return the next piece, b"" at the end. Raises CancelledError when the client left."""
        while not self.whole:
            message = await self()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            if data := message.get("body", b""):
                return bytes(data)
        return b""

    async def pieces(self) -> AsyncIterator[bytes]:
        while piece := await self.piece():
            yield piece

    async def read(self, limit: int) -> bytes:
        """Read the whole body. Raises BodyTooLarge beyond `limit` bytes, before reading any where the length tells."""
        parts: list[bytes] = []
        left = limit - (self.length or 0)
        while left >= 0 and (piece := await self.piece()):
            parts.append(piece)
            if self.length is None:
                left -= len(piece)
        if left < 0:
            raise BodyTooLarge(f"the request's body is larger than {limit} bytes")
        return b"".join(parts)


class UploadBody(Protocol):
    """Body of an upload. `names_model`: the body itself names its model. `content_type` is set where it differs from
    the client's.
    """

    @property
    def content_type(self) -> bytes | None: ...

    @property
    def names_model(self) -> bool: ...

    def outgoing(self, model: str | None) -> bytes | Upload:
        """The body with that model where it names one, all else as it came. To be asked for once, unless bytes."""


@dataclass(frozen=True, slots=True)
class Held:
    """A body that is all there; `document` is it as JSON. `wants_model` where it must not go up without one.

    `collection` stands before a model's name; with it, each of `requests` may name the model, too.
    """

    data: bytes = b""
    document: Document | None = None
    wants_model: bool = False
    collection: str = ""

    @property
    def content_type(self) -> bytes | None:
        """Return the content type to send: JSON that was read goes up as UTF-8, whatever its charset was."""
        return None if self.document is None else JSON[1]

    @property
    def names_model(self) -> bool:
        return self.document is not None and self.document.values.get("model") is not None

    def outgoing(self, model: str | None) -> bytes:
        if model is not None and self.document is not None and (self.wants_model or "model" in self.document.values):
            return self.document.render({"model": encode(self.collection + model), **self._in_requests(model)})
        if model is not None and self.document is not None and (changes := self._in_requests(model)):
            return self.document.render(changes)
        return self.data

    def _in_requests(self, model: str) -> dict[str, str | None]:
        """Return the change that names the model in each of the requests of a batch."""
        requests = self.document.values.get("requests") if self.collection and self.document is not None else None
        if not isinstance(requests, list):
            return {}
        named = {"model": self.collection + model}
        return {"requests": encode([{**each, **named} if isinstance(each, dict) else each for each in requests])}


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that nobody looks into."""

    incoming: Incoming
    names_model: bool = False
    content_type: bytes | None = None

    def outgoing(self, model: str | None) -> Upload:
        return Upload(self.incoming.pieces(), self.incoming.length)


class FormStream:
    """A form. `look` before it goes up; `model` is what it names then, None where nothing was found."""

    def __init__(self, incoming: Incoming, content_type: bytes, path: str, *, named_elsewhere: bool) -> None:
        """`named_elsewhere` when the query says which agent it is for. Raises CallerError."""
        self._incoming = incoming
        self._form = Form(content_type, "model")
        self._may_come_late = may_name_model(path)
        self._named_elsewhere = named_elsewhere
        self._kept: list[bytes] = []

    @property
    def content_type(self) -> bytes:
        return self._form.content_type

    @property
    def model(self) -> str | None:
        return self._form.value

    @property
    def names_model(self) -> bool:
        return self.model is not None or (self._named_elsewhere and self._may_come_late)

    async def look(self, limit: int) -> None:
        """Take in what must be held until it is clear which model the form names. Raises CallerError, and BodyTooLarge
        when that takes more than `limit` bytes."""
        form, size = self._form, 0
        while form.value is None and not form.ended and not (form.saw_file and self._need_not_wait):
            if size > limit:
                raise BodyTooLarge(
                    f"the form does not name its model within {limit} bytes: put 'model' before the file, or name it "
                    "in the query, as '?model='",
                    param="model",
                )
            piece = await self._incoming.piece()
            if not piece:
                form.end()
            size += len(piece)
            self._kept.append(form.feed(piece))

    def outgoing(self, model: str | None) -> Upload:
        form, length = self._form, self._incoming.length
        if form.value is not None:
            value = form.value if model is None else model
            self._kept.append(form.put(value))
            length = None if length is None else length - form.value_bytes + len(value.encode())
        elif model is not None and self._may_come_late and not form.ended:
            form.expect(model)
            length = None  # nobody knows whether one will come
        elif not form.ended:
            self._kept.append(form.let_go())
            return Upload(self._pieces(_as_it_is, _nothing), length)
        return Upload(self._pieces(form.feed, form.end), length)

    @property
    def _need_not_wait(self) -> bool:
        return self._named_elsewhere or not self._may_come_late

    async def _pieces(self, through: Callable[[bytes], bytes], end: Callable[[], None]) -> AsyncIterator[bytes]:
        kept = b"".join(self._kept)
        self._kept.clear()
        if self._incoming.whole:  # a form that is not whole is not sent whole
            end()
        if kept:
            yield kept
        while piece := await self._incoming.piece():
            piece = through(piece)
            if self._incoming.whole:
                end()
            if piece:
                yield piece
        end()


def _as_it_is(piece: bytes) -> bytes:
    return piece


def _nothing() -> None:
    """Do nothing: no form was checked."""
