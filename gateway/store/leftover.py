"""Server on the embedded store's socket: the gateway's own, or one that a killed gateway left behind."""

import asyncio
import os
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from time import monotonic

from gateway.store.server_binary import EmbeddedRedisFailed

POLL_SECONDS = 0.02


async def end_leftover(path: Path, end_seconds: float) -> None:
    """End a server that a killed gateway left behind: we hold the lock, so nobody uses it any more.

    It has `end_seconds` to write what it has; then it is killed.
    """
    for kind in (signal.SIGTERM, signal.SIGKILL):
        pid = _listener(path)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, kind)
        if await _wait_for_end(path, end_seconds):
            return
    raise EmbeddedRedisFailed(f"another server listens on {path} and does not end; stop it")


async def ask(path: Path, *words: str) -> bytes:
    """The first line of the server's answer to a command. Raises OSError, and TimeoutError after two seconds."""
    async with asyncio.timeout(2):
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            writer.write(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return (await reader.readline()).strip()
        finally:
            writer.close()


async def _wait_for_end(path: Path, end_seconds: float) -> bool:
    """Wait until nobody listens on the socket; return whether that happened in time."""
    deadline = monotonic() + end_seconds
    while monotonic() < deadline:
        if _listener(path) is None:
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False


def _listener(path: Path) -> int | None:
    """The process that listens on the socket, None when there is none.

    Raises EmbeddedRedisFailed when the system does not tell which one, as outside Linux or in another container.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        credentials = struct.calcsize("3i")
        option = getattr(socket, "SO_PEERCRED", None)
        pid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, option, credentials))[0] if option else 0
    if pid == 0:
        raise EmbeddedRedisFailed(f"another server listens on {path}; stop it")
    return int(pid)
