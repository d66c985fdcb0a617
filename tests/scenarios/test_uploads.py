"""Large files through a gateway that is a process of its own: what it holds of them is little."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import openai
import pytest

from tests.support.calling import Provider
from tests.support.listening import listening
from tests.support.processes import Served, serving
from tests.support.running import write

SIZE = 200 << 20
PIECE = b"x" * (1 << 18)
MOST_GROWTH = 8 << 20  # bytes


class Sink:
    """A provider that counts what comes, and answers in OpenAI's words; `pause` seconds before each 10 MB."""

    def __init__(self, pause: float = 0.0) -> None:
        self.taken = 0
        self._pause = pause

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        paused = 0
        while self.taken < length and (data := await reader.read(1 << 18)):
            self.taken += len(data)
            if self._pause and self.taken // (10 << 20) > paused:
                paused = self.taken // (10 << 20)
                await asyncio.sleep(self._pause)
        body = json.dumps({"id": "file-1", "object": "file", "bytes": self.taken, "text": "hi"}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()


@asynccontextmanager
async def place(folder: Path, redis_url: str, agent: str, sink: Provider, transport: str) -> AsyncIterator[Served]:
    """A gateway process before that sink."""
    async with listening(sink) as port:
        provider = {"api": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "transport": transport}
        files = {
            "gateway.yaml": {"providers": {"sink": provider}},
            "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
            f"agents/{agent}/v1.yaml": {"model": "sink/whisper"},
        }
        async with serving(write(folder / "config", files), {"SERINUS_STORE": redis_url}) as gateway:
            yield gateway


def sdk(gateway: Served) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0)


def peak(gateway: Served, *, anew: bool = False) -> int:
    """The most memory that the process has had at once, in bytes; `anew`: from now on."""
    if anew:
        Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{gateway.process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


async def content(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield PIECE


@pytest.mark.parametrize("transport", ["lean", "standard"])
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["as fast as it goes", "a slow provider"])
async def test_200_mb_take_little_memory(
    tmp_path: Path, redis_url: str, agent: str, transport: str, pause: float
) -> None:
    """Whether or not the provider keeps up: what it does not take, the client does not get rid of."""
    sink = Sink(pause)
    async with place(tmp_path, redis_url, agent, sink, transport) as gateway, httpx2.AsyncClient(timeout=60) as http:
        headers = {"content-length": str(SIZE)}
        url = f"{gateway.url}/v1/uploads/u/parts?model={agent}"
        await http.post(url, content=content(1 << 20), headers={"content-length": str(1 << 20)})  # all is loaded now
        sink.taken = 0
        before = peak(gateway, anew=True)
        answer = await http.post(url, content=content(SIZE), headers=headers)
        assert answer.status_code == 200 and answer.json()["bytes"] == SIZE
        assert peak(gateway) - before < MOST_GROWTH


@pytest.mark.parametrize("transport", ["lean", "standard"])
async def test_the_openai_sdk_uploads(tmp_path: Path, redis_url: str, agent: str, transport: str) -> None:
    """A file of 100 MB, and a recording of 30 MB to transcribe: with nothing but a base URL."""
    sink = Sink()
    async with place(tmp_path, redis_url, agent, sink, transport) as gateway, sdk(gateway) as client:
        made = await client.files.create(file=("a.jsonl", b"x" * (100 << 20)), purpose="batch")
        assert made.bytes > 100 << 20
        sink.taken = 0
        said = await client.audio.transcriptions.create(model=agent, file=("a.wav", b"x" * (30 << 20)))
        assert said.text == "hi" and sink.taken > 30 << 20


async def test_the_openai_sdk_hears_an_early_refusal(tmp_path: Path, redis_url: str, agent: str) -> None:
    """A file that is refused while it goes up is an error of the provider's words, not a broken connection."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"error":{"message":"File is too large","type":"invalid_request_error","code":"x"}}'
        writer.write(b"HTTP/1.1 413 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await asyncio.sleep(1)
        writer.transport.abort()

    async with place(tmp_path, redis_url, agent, refuse, "lean") as gateway, sdk(gateway) as client:
        with pytest.raises(openai.APIStatusError, match="File is too large") as caught:
            await client.files.create(file=("a.jsonl", b"x" * (50 << 20)), purpose="batch")
        assert caught.value.status_code == 413
