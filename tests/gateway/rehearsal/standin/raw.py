"""A client that hides nothing: it sends bytes, keeps what comes back, and says how the connection ended."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import orjson

from gateway.rehearsal.standin import Standin

QUIET = 0.15  # seconds without a byte after which a connection counts as left open
CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Heard:
    """One answer in bytes; `end` tells whether the peer closed, reset, or left the connection open."""

    raw: bytes
    end: Literal["closed", "reset", "open"]

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        """The body as sent, with its chunk sizes."""
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def chunked(self) -> tuple[bytes, bool]:
        """The body out of its chunks, and whether the last chunk came."""
        rest, found = self.body, b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            if size == b"0":
                return found, True
            length = int(size, 16)
            found, rest = found + rest[:length], rest[length + 2 :]
        return found, False

    @property
    def events(self) -> list[str]:
        """The `data:` of every event of a chunked stream."""
        return [event.removeprefix("data: ") for event in self.chunked[0].decode().split("\n\n") if event]

    def json(self) -> dict[str, object]:
        found = orjson.loads(self.body)
        assert isinstance(found, dict)
        return found


def ask(**fields: object) -> dict[str, object]:
    """The body of a small chat request, with more fields or others."""
    return {"model": "m", "messages": [{"role": "user", "content": "Where is my order?"}], **fields}


def request(body: object = None, *, method: str = "POST", path: str = CHAT, headers: str = "") -> bytes:
    """A request that asks for the connection to be closed after it; `headers` are whole lines."""
    data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    lines = f"{method} {path} HTTP/1.1\r\nhost: standin\r\nconnection: close\r\ncontent-length: {len(data)}\r\n"
    return f"{lines}{headers}\r\n".encode() + data


async def send(standin: Standin, data: bytes) -> Heard:
    """Sends bytes and listens until the peer closes, resets, or stays quiet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    try:
        writer.write(data)
        return await listen(reader)
    finally:
        writer.close()


async def listen(reader: asyncio.StreamReader) -> Heard:
    heard = b""
    try:
        while data := await asyncio.wait_for(reader.read(65_536), QUIET):
            heard += data
    except TimeoutError:
        return Heard(heard, "open")
    except ConnectionResetError:
        return Heard(heard, "reset")
    return Heard(heard, "closed")


async def post(standin: Standin, **fields: object) -> Heard:
    """One chat call."""
    return await send(standin, request(ask(**fields)))


async def eventually(standin: Standin, model: str = "m", *, seconds: float = 0.1) -> None:
    """Waits until nothing of this model is in flight. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while standin.counts(model).open:  # noqa: ASYNC110 - the peer tells nobody, so one has to look
            await asyncio.sleep(0.002)
