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


async def run(script: str, here: Place) -> Any:
    """What a client's script found out."""
    assert PYTHON.exists(), f"{PYTHON} is missing: make .venv-clients/.clients"
    return await found_by([PYTHON, SCRIPTS / script], here)


async def found_by(command: Sequence[str | Path], here: Place) -> Any:
    """What a command that is given the gateway's root and an agent prints as JSON."""
    root = here.base_url.removesuffix("/v1")
    process = await create_subprocess_exec(*command, root, here.agent, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(TAKES_AT_MOST):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)
