"""Real servers for the tests: plain ones on TCP, a cluster of three, and a proxy that loses replies."""

import asyncio
import contextlib
import random
import re
import socket
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis

from gateway.store.server_binary import bundled_binary
from tests.support.listening import listening

SLOTS = 16384
STARTS = 5  # with a port of its own each
_IN_A_CLUSTER = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no")
ENOUGH_SECONDS = 60.0  # nothing that is awaited takes a tenth of it, but for starting interpreters on a busy machine


def free_port() -> int:
    """A port that is free now, and whose cluster bus (10,000 higher) is a port too."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
            return port


def make_folders(parent: Path, count: int) -> list[Path]:
    folders = [parent / str(index) for index in range(count)]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


@asynccontextmanager
async def tcp_server(folder: Path, *options: str) -> AsyncIterator[int]:
    """The port of a Redis on the loopback, its data in `folder`; `options` are arguments of its command line."""
    async with tcp_process(folder, *options) as (port, _):
        yield port


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    """The URL of a Redis Cluster of three primaries."""
    async with cluster_of(folder) as (url, _):
        yield url


@asynccontextmanager
async def cluster_of(folder: Path) -> AsyncIterator[tuple[str, list[Process]]]:
    """The URL of such a cluster, and its processes."""
    async with AsyncExitStack() as stack:
        folders = make_folders(folder, 3)
        servers = [await stack.enter_async_context(tcp_process(each, *_IN_A_CLUSTER)) for each in folders]
        ports = [port for port, _ in servers]
        nodes = [Redis(port=port) for port in ports]
        await _join(nodes, ports)
        for node in nodes:
            await node.aclose()
        yield f"redis+cluster://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}", [process for _, process in servers]


@asynccontextmanager
async def member(folder: Path) -> AsyncIterator[int]:
    """The port of a server that may join a cluster."""
    async with tcp_process(folder, *_IN_A_CLUSTER) as (port, _):
        yield port


async def replicating(port: int) -> bool:
    """Whether the server on that port is a replica that has caught up with its primary."""
    info = await ask_server(port, "INFO", "replication")
    return bool(info.get("master_link_status") == "up" and not info["master_sync_in_progress"])


@asynccontextmanager
async def sentinel(folder: Path, primary: int, *lines: str) -> AsyncIterator[int]:
    """The port of a sentinel, which watches that primary as `house`; `lines` are further ones of its configuration."""
    configuration = folder / "sentinel.conf"
    configuration.write_text("\n".join((f"sentinel monitor house 127.0.0.1 {primary} 1", *lines, "")))
    async with tcp_server(folder, str(configuration), "--sentinel") as port:
        yield port


async def ports_of(url: str) -> tuple[int, ...]:
    """The ports of all nodes of a cluster, those that its URL names first."""
    named = [int(port) for port in re.findall(r":([0-9]+)", url)]
    nodes = str(await ask_server(named[0], "CLUSTER", "NODES"))
    return tuple(dict.fromkeys([*named, *map(int, re.findall(r"127\.0\.0\.1:([0-9]+)", nodes))]))


@asynccontextmanager
async def tcp_process(folder: Path, *options: str) -> AsyncIterator[tuple[int, Process]]:
    """The port of such a server, and its process."""
    for _ in range(STARTS):
        port = free_port()
        process = await create_subprocess_exec(
            str(bundled_binary()), *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", stdin=DEVNULL, stdout=DEVNULL,
        )  # fmt: skip
        try:
            if await _answers(port, process):
                yield port, process
                return
        finally:
            await _kill(process)
    raise RuntimeError("Redis does not start")


async def _join(nodes: list[Redis], ports: list[int]) -> None:
    share = -(-SLOTS // len(nodes))
    for index, node in enumerate(nodes):
        slots = range(index * share, min(SLOTS, (index + 1) * share))
        await _ask(node, "CLUSTER", "ADDSLOTS", *slots)
        await _ask(node, "CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        await _ask(node, "CLUSTER", "MEET", "127.0.0.1", ports[0])
    for node in nodes:
        await _whole(node, len(nodes))


async def _whole(node: Redis, count: int) -> None:
    while True:
        info = await _ask(node, "CLUSTER INFO")
        if info["cluster_state"] == "ok" and int(info["cluster_size"]) == count:
            return
        await asyncio.sleep(0.05)


async def _ask(node: Redis, *command: str | int) -> Any:
    return await node.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


async def _answers(port: int, process: Process) -> bool:
    """True once it answers, were it with an error; False when it has ended: somebody took its port, or its bus's."""
    while process.returncode is None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            if answer:
                return True
        await asyncio.sleep(0.02)
    return False


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what must come, however slow the machine is. Raises TimeoutError when it has not come in a minute."""
    async with asyncio.timeout(ENOUGH_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def is_listening(path: Path) -> bool:
    """Whether somebody accepts connections on this unix socket."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


async def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


class LossyProxy:
    """Stands between a client and a Redis on a unix socket. While `lossy`, it swallows replies and hangs up.

    `scripts` counts the commands that ran a script.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = f"unix://{path}"
        self.lossy = False
        self.scripts = 0
        self._upstream = unquote(urlsplit(url).path)
        self._path = path

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["LossyProxy"]:
        async with listening(self._serve, unix=self._path):
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._upstream)
        back = asyncio.create_task(self._back(upstream_reader, writer))
        try:
            while data := await reader.read(65536):
                self.scripts += data.count(b"EVALSHA")
                upstream_writer.write(data)
        finally:
            upstream_writer.close()
            await back

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.lossy:
                break
            writer.write(data)
        writer.close()


class StableName:
    """An address that leads to whichever port it points at; connections that are open stay where they are."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.connections = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        async with listening(self._serve) as port:
            yield port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self.target)
        back = asyncio.create_task(_pump(behind_reader, writer))
        try:
            await _pump(reader, behind_writer)
        finally:
            behind_writer.close()
            back.cancel()
            await asyncio.wait([back])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def ask_server(port: int, *command: str | int) -> Any:
    """One command at the server on that port of the loopback."""
    client = Redis(port=port, decode_responses=True)
    try:
        return await _ask(client, *command)
    finally:
        await client.aclose()


class ExternalRedis:
    """A Redis with an append-only file, to be killed, frozen and started again at the same place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: Process | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        self._process = await create_subprocess_exec(
            str(bundled_binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder),
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", stdin=DEVNULL, stdout=DEVNULL,
        )  # fmt: skip
        await until(self._answers)

    async def _answers(self) -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False

    def signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    async def kill(self) -> None:
        """kill -9."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def flush_all(self) -> None:
        client = Redis(port=self.port)
        await client.flushall()
        await client.aclose()


def child_of(pid: int) -> int:
    """The process id of the only child that is a Valkey server."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (server,) = [int(child) for child in children if "valkey" in Path(f"/proc/{child}/comm").read_text()]
    return server
