"""Programs that call the gateway with other people's SDKs, in an environment of their own."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.calling import Place

SCRIPTS = Path(__file__).parents[1] / "clients"
PYTHON = Path(sys.prefix).parent / ".venv-clients" / "bin" / "python"
SAID = "cheep " * 8
TAKES_AT_MOST = 60.0  # seconds; importing alone takes some on a busy machine


async def run(script: str, here: Place, *more: str) -> Any:
    """What a client's script found out."""
    return await run_at(script, here.base_url.removesuffix("/v1"), here.agent, *more)


async def run_at(script: str, root: str, agent: str, *more: str) -> Any:
    """The same at a gateway's root URL."""
    return await printed_by(SCRIPTS / script, root, agent, *more)


async def printed_by(script: Path, *arguments: str) -> Any:
    """What a client's script prints as JSON."""
    assert PYTHON.exists(), f"{PYTHON} is missing: make .venv-clients/.clients"
    return await _printed([PYTHON, script, *arguments])


async def found_by(command: Sequence[str | Path], here: Place) -> Any:
    """What a command that is given the gateway's root and an agent prints as JSON."""
    return await _printed([*command, here.base_url.removesuffix("/v1"), here.agent])


async def _printed(command: Sequence[str | Path]) -> Any:
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(TAKES_AT_MOST):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)
