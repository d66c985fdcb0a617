"""The version of Anthropic's API that a request is sent under: what the agent's version needs, whatever SDK calls."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.formats.prompt import FormatName
from tests.support.dialects import DIALECTS
from tests.support.listening import listening
from tests.support.running import Running, running, write

OLD, NEW = "2023-06-01", "2026-10-21"
ANSWER = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Hi."}], "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip


class Anthropic:
    """An API of both versions: the new one takes no sampling, at any value."""

    def __init__(self) -> None:
        self.versions: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        asked = json.loads(await reader.readexactly(int(fields["content-length"])))
        self.versions.append(fields["anthropic-version"])
        refused = fields["anthropic-version"] == NEW and not asked.keys().isdisjoint(("temperature", "top_p", "top_k"))
        error = {"type": "invalid_request_error", "message": "temperature: Extra inputs are not permitted"}
        body = json.dumps({"type": "error", "error": error} if refused else ANSWER)
        head = f"HTTP/1.1 {400 if refused else 200} X\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())


@asynccontextmanager
async def canary(
    folder: Path, redis_url: str, agent: str, sets: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Running, Anthropic]]:
    """A gateway with a canary that sets those parameters, over such an API."""
    api = Anthropic()
    async with listening(api.serve) as port:
        account = {"api": "anthropic", "base_url": f"http://127.0.0.1:{port}/v1", "headers": dict(headers or {})}
        files = {
            "gateway.yaml": {"providers": {"claude": account}},
            "routing.yaml": {"agents": {agent: {"stable": "v1", "canary": "v2", "weight": "50%"}}},
            f"agents/{agent}/v1.yaml": {"model": "claude/claude-sonnet-4-5"},
            f"agents/{agent}/v2.yaml": {"model": "claude/claude-sonnet-4-5", "system_prompt": "Be brief.", **sets},
        }
        async with running(write(folder, files), redis_url) as served:
            yield served, api


async def ask(
    served: Running, agent: str, version: str = "v2", client: FormatName = "anthropic", **more: Any
) -> httpx2.Response:
    """One call of that version as the SDKs of today make it."""
    dialect, name = DIALECTS[client], f"{agent}@{version}"
    async with httpx2.AsyncClient() as http:
        url = served.url + dialect.path(name, False)
        asked = {**dialect.ask(name, "hello", False), **more}
        return await http.post(url, json=asked, headers={"anthropic-version": NEW, "authorization": "Bearer k"})


@pytest.mark.parametrize(
    "sets",
    [
        {"temperature": 0.5}, {"top_p": 0.5}, {"extra": {"top_k": 5}},
        {"temperature": 0.5, "client_may_set": ["temperature"]},
    ],
)  # fmt: skip
async def test_a_version_that_sets_sampling_is_served_to_new_sdks(
    tmp_path: Path, redis_url: str, agent: str, sets: dict[str, Any]
) -> None:
    """Its callers' SDK does not fail it, so it is no reason to roll it back."""
    async with canary(tmp_path, redis_url, agent, sets) as (served, api):
        answers = [await ask(served, agent, version) for version in ("v2", "v1", "v2")]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert api.versions == [OLD, NEW, OLD]


@pytest.mark.parametrize("client", ["openai", "openai-responses", "gemini"])
async def test_other_clients_cannot_choose_a_version(
    tmp_path: Path, redis_url: str, agent: str, client: FormatName
) -> None:
    """A request in another format is written for the version that takes everything."""
    async with canary(tmp_path, redis_url, agent, {"temperature": 0.5}) as (served, api):
        assert (await ask(served, agent, client=client)).status_code == 200
    assert api.versions == [OLD]


async def test_the_clients_own_sampling_is_its_own_mistake(tmp_path: Path, redis_url: str, agent: str) -> None:
    """It named the API's version and the parameter: it hears of the refusal, and no version is blamed."""
    async with canary(tmp_path, redis_url, agent, {}) as (served, api):
        answer = await ask(served, agent, temperature=0.5)
    assert (answer.status_code, api.versions) == (400, [NEW]) and "Extra inputs" in answer.text


async def test_the_operator_may_fix_the_version(tmp_path: Path, redis_url: str, agent: str) -> None:
    """`headers` of the provider hold for all calls."""
    fixed = {"anthropic-version": OLD}
    async with canary(tmp_path, redis_url, agent, {}, fixed) as (served, api):
        assert (await ask(served, agent, temperature=0.5)).status_code == 200
    assert api.versions == [OLD]
