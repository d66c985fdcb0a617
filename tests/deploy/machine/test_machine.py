"""What a container or systemd gives the gateway is enough: a sandbox stands for the one, a check for the other."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.architecture import ROOT
from tests.support.processes import Served, configuration, serving, stream
from tests.support.running import provider

UNIT = ROOT / "deploy/systemd/serinus.service"
READ_ONLY = ("/usr", "/lib", "/lib64", "/bin", "/etc", sys.base_prefix, str(ROOT))
LARGEST_EXPOSURE = 1.5  # of 10, where systemd calls 2 and less "OK"


def sandbox(config: Path, data: Path) -> list[str]:
    """The command that runs another as the image does: user 10001 and process 1, no capability, nothing writable but
    /data and /tmp. The network is this machine's. The default seccomp profile of a container's runtime is not here."""
    mounts = [part for path in READ_ONLY for part in ("--ro-bind", path, path)]
    return [
        "bwrap", "--tmpfs", "/", "--tmpfs", "/tmp", *mounts, "--proc", "/proc", "--dev", "/dev",
        "--bind", str(data), "/data", "--ro-bind", str(config), "/config", "--remount-ro", "/", "--chdir", "/tmp",
        "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--uid", "10001", "--gid", "10001",
        "--cap-drop", "ALL", "--new-session", "--as-pid-1", "--die-with-parent",
    ]  # fmt: skip


@pytest_asyncio.fixture
async def contained(tmp_path: Path, agent: str) -> AsyncIterator[Served]:
    """A gateway with its embedded store, in the sandbox."""
    data = tmp_path / "data"
    data.mkdir()
    environ = {"SERINUS_CONFIG": "/config", "SERINUS_DATA": "/data", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    async with provider() as standin:
        config = configuration(tmp_path, standin, agent)
        async with serving(config, environ, inside=sandbox(config, data)) as served:
            yield served


def inner(served: Served) -> int:
    """The process inside of the sandbox, by its number outside."""
    process = served.process.pid
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def rights(process: int) -> str:
    """What the kernel says of a process: its capabilities, among others."""
    return Path(f"/proc/{process}/status").read_text()


async def test_a_container_without_rights_serves_and_drains(contained: Served, agent: str) -> None:
    """It starts, serves a stream, keeps its store in /data, and ends with code 0 at SIGTERM as process 1."""
    assert b"[DONE]" in await stream(contained, agent)
    status = rights(inner(contained))
    assert re.search(r"(?m)^CapEff:\t0+$", status) and re.search(r"(?m)^NoNewPrivs:\t1$", status)
    assert re.search(r"(?m)^NSpid:\t\d+\t1$", status)
    os.kill(inner(contained), signal.SIGTERM)
    assert await contained.process.wait() == 0


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """systemd knows every setting of it, and finds little that the service could do beyond its task."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/serinus/bin/serinus", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True)
    exposure = re.search(r"Overall exposure level for serinus.service: ([\d.]+)", judged.stdout)
    assert exposure and float(exposure[1]) <= LARGEST_EXPOSURE
