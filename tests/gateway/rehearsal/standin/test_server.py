"""The stand-in as a process of its own: it says where it is, ends cleanly, and complains in one line."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin, run

from .raw import QUIET, Heard, ask, listen, request


async def started(*arguments: str) -> tuple[Process, int]:
    """The process, and the port it says it listens on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "standin", "--listen", "127.0.0.1:0", *arguments, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 10)).decode()
    assert line.startswith("stand-in provider ready: http://127.0.0.1:")
    return process, int(line.rpartition(":")[2].partition("/")[0])


async def call(port: int, data: bytes) -> Heard:
    """Sends bytes to a port and listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    heard = await listen(reader)
    writer.close()
    return heard


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """It serves the behaviours of its file, resets on its own event loop, and exits with 0, calls in flight or not."""
    file = tmp_path / "behaviours.json"
    file.write_text(
        json.dumps({"default": {"fault_script": ["hang"]}, "models": {"m": {"fault_script": ["ok", "reset"]}}})
    )
    process, port = await started("--behaviours", str(file))
    assert (await call(port, request(ask()))).status == 200
    assert (await call(port, request(ask()))).end == "reset"
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(ask(model="other")))
    await asyncio.sleep(QUIET)
    process.send_signal(number)
    _, errors = await asyncio.wait_for(process.communicate(), 5)
    writer.close()
    assert (process.returncode, errors) == (0, b"")


async def test_a_key_can_be_asked_for() -> None:
    """`--api-key` guards the calls."""
    process, port = await started("--api-key", "secret")
    assert (await call(port, request(ask()))).status == 401
    process.terminate()
    await process.communicate()


@pytest.mark.parametrize("text", [None, '{"models": {"m": {"chunks": 0}}}'])
async def test_a_wrong_file_ends_it_with_2(text: str | None, tmp_path: Path) -> None:
    """A file that is missing or wrong is named in one line."""
    file = tmp_path / "behaviours.json"
    if text is not None:
        file.write_text(text)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "standin", "--behaviours", str(file), stderr=PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 2
    assert errors.decode().startswith(f"{file}: ")
    assert errors.count(b"\n") == 1


@pytest.mark.socket
@pytest.mark.parametrize("listen_on", ["nonsense", "127.0.0.1:http", "127.0.0.1:99999999", "192.0.2.1:9000"])
def test_an_address_that_cannot_be_had_is_complained_about(listen_on: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line that names the address."""
    assert run(listen_on, {}) == 2
    assert listen_on in capsys.readouterr().err


@pytest.mark.parametrize(("host", "dialled"), [("127.0.0.1", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")])
async def test_its_url_can_be_dialled(host: str, dialled: str) -> None:
    """A wildcard is shown as loopback, IPv6 in brackets."""
    standin = Standin(default=ModelBehaviour())
    await standin.start(host)
    assert standin.base_url == f"http://{dialled}:{standin.port}/v1"
    await standin.stop()
