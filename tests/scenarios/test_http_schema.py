"""Schemathesis calls everything in the OpenAPI document, with data that fits and data that does not."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

from gateway.openapi.document import document
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.running import ADMIN_TOKEN, provider, running, trial, write

SCHEMATHESIS = Path(sys.prefix).parent / ".venv-schemathesis" / "bin" / "schemathesis"
TAKES_AT_MOST = 170.0  # seconds, on a busy machine; 25 on a quiet one
EXAMPLES = 12  # for each operation, and besides them the edges of each schema
# What a status promises is checked, and that data of another shape is refused; not that a made-up id is found.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection"
)
ENDLESS = "/status/events"


def with_names(described: dict[str, Any], agent: str) -> dict[str, Any]:
    """The document of a gateway on which one agent is known, so that calls get through to it."""
    known = {"enum": [agent, f"{agent}@v2"]}
    for path in described["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "agent":
                    parameter["schema"] = {"enum": [agent]}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "model" in body.get("properties", {}):
                body["properties"] = {**body["properties"], "model": known}
    return described


async def test_answers_are_as_the_document_says(tmp_path: Path, redis_url: str, agent: str) -> None:
    """No fault of ours, no status and no content that is not described, and wrong data is refused."""
    assert SCHEMATHESIS.exists(), f"{SCHEMATHESIS} is missing: make .venv-schemathesis/.schemathesis"
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour()) as standin:
        files = trial(agent, standin, record_content={"sample": "100%"}, review={"sample": "100%"})
        async with running(write(tmp_path / "config", files), redis_url) as served:
            described = tmp_path / "openapi.json"
            described.write_text(json.dumps(with_names(document(), agent)))
            command = [
                *(str(SCHEMATHESIS), "run", str(described), "--url", served.url, "--phases", "coverage,fuzzing"),
                *("--checks", CHECKS, "--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic"),
                *("--header", f"Authorization: Bearer {ADMIN_TOKEN}"),
                *("--exclude-path", ENDLESS, "--continue-on-failure", "--no-color", "--warnings", "off"),
                *("--request-timeout", "20", "--report", "ndjson", "--report-ndjson-path", str(tmp_path / "report")),
            ]
            process = await create_subprocess_exec(*command, cwd=tmp_path, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
            async with asyncio.timeout(TAKES_AT_MOST):
                out, errors = await process.communicate()
    assert process.returncode == 0, (out + errors).decode()
