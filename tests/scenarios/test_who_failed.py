"""An answer says why a version served it and whether a fallback did; an error says who failed, and where to look."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import ask
from tests.support.running import Running, provider, running, write


@asynccontextmanager
async def place(folder: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    """An agent whose canary always falls back, and one whose only target is not there."""
    async with provider(bad=ModelBehaviour(error_rate=1.0)) as standin:
        dead = {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}
        providers = {"standin": {"api": "openai", "base_url": standin.base_url}, "dead": dead}
        canary = {"stable": "v1", "canary": "v2", "weight": "100%", "fallback": ["standin/good"]}
        files = {
            "gateway.yaml": {"providers": providers, "retries": {"per_target": 1, "base": "1ms", "cap": "1ms"}},
            "routing.yaml": {"agents": {agent: canary, f"{agent}-dead": {"stable": "v1"}}},
            f"agents/{agent}/v1.yaml": {"model": "standin/good"},
            f"agents/{agent}/v2.yaml": {"model": "standin/bad"},
            f"agents/{agent}-dead/v1.yaml": {"model": "dead/m"},
        }
        async with running(write(folder, files), redis_url) as served:
            yield served


def chat(model: str, **more: Any) -> bytes:
    return json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, **more}
    ).encode()


async def send(url: str, data: bytes) -> str:
    """All that comes back for these bytes."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    answer = (await reader.read()).decode()
    writer.close()
    return answer


async def served_heads(url: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of an answer of 200, whole or streamed."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    status, *lines = (await send(url, head.encode() + body)).partition("\r\n\r\n")[0].split("\r\n")
    assert " 200 " in status
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("stream", [False, True])
async def test_headers_say_how_a_call_was_served(tmp_path: Path, redis_url: str, agent: str, stream: bool) -> None:
    """Arm and reason, and a fallback that answered; a pinned call is on no side of the trial."""
    async with place(tmp_path, redis_url, agent) as served:
        path = "/v1/chat/completions"
        fallen = await served_heads(served.url, path, chat(agent, stream=stream))
        pinned = await served_heads(served.url, path, chat(f"{agent}@v1"))
    assert (fallen["x-serinus-fallback"], fallen["x-serinus-target"]) == ("true", "standin/good")
    assert (fallen["x-serinus-arm"], fallen["x-serinus-reason"]) == ("canary", "split")
    assert pinned["x-serinus-reason"] == "pin"
    assert not {"x-serinus-arm", "x-serinus-fallback"} & pinned.keys()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_an_error_says_who_failed(tmp_path: Path, redis_url: str, agent: str, path: str) -> None:
    """In the body and in a header: the target, the number of attempts, the id, and where to look it up."""
    async with place(tmp_path, redis_url, agent) as served:
        reply = await ask(served.url, "POST", path, chat(f"{agent}-dead"))
    said, call_id = json.loads(reply.body)["error"]["serinus"], reply.headers["x-serinus-call-id"]
    assert said["look_up"] == f"/calls/{call_id}" and said["call_id"] == call_id
    assert (said["target"], said["attempts"]) == ("dead/m", int(reply.headers["x-serinus-attempts"]))
    assert said["failed_by"] == reply.headers["x-serinus-failed-by"] == "gateway"  # its address never answered
    assert "x-serinus-fallback" not in reply.headers


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("POST /v1/chat/completions HTTP/1.1", b'{"model": "nobody", "messages": []}', 404),
        ("POST /v1/chat/completions HTTP/1.1", b"{", 400),
        ("PUT /v1/chat/completions HTTP/1.1", b"", 405),
        ("GET /nowhere HTTP/1.1", b"", 404),
        ("POST /v1/messages HTTP/1.1", b"x" * 20_000, 413),
        ("NONSENSE", b"", 400),
    ],
)
async def test_every_refusal_has_an_id_a_line_and_a_count(
    tmp_path: Path,
    redis_url: str,
    agent: str,
    head: str,
    body: bytes,
    status: int,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Whether an endpoint refused it or the server did, before it was a request."""
    async with provider() as standin:
        files = {
            "gateway.yaml": {
                "providers": {"standin": {"api": "openai", "base_url": standin.base_url}}, "limits": {"body": "10kB"},
            },
            "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
            f"agents/{agent}/v1.yaml": {"model": "standin/good"},
        }  # fmt: skip
        async with running(write(tmp_path, files), redis_url) as served:
            more = f"host: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            answer = await send(served.url, f"{head}\r\n{more}".encode() + body)
            counts = json.loads((await ask(served.url, "GET", "/status")).body)["gateway"]["refused"]
    call_id = next(line.split(": ")[1] for line in answer.split("\r\n") if line.startswith("x-serinus-call-id: "))
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines() if b'"refused"' in line]
    (line,) = [line for line in lines if line["event"] == "refused"]
    assert answer.startswith(f"HTTP/1.1 {status} ") and (line["id"], line["status"]) == (call_id, status)
    assert [key.split()[0] for key in counts] == [str(status)] and line["message"]


async def test_a_call_that_cannot_be_translated_says_why(
    tmp_path: Path, redis_url: str, agent: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Its line names the parameter, and nothing of its value."""
    async with provider() as standin:
        root = standin.base_url.removesuffix("/v1")
        files = {
            "gateway.yaml": {
                "providers": {"standin": {"api": "anthropic", "base_url": f"{root}/v1", "api_key": "${KEY}"}}
            },
            "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
            f"agents/{agent}/v1.yaml": {"model": "standin/good"},
        }
        async with running(write(tmp_path, files), redis_url, {"KEY": "a-key-of-tests"}) as served:
            body = chat(agent, temperature="Zebra-7")
            assert (await ask(served.url, "POST", "/v1/chat/completions", body)).status == 400
    (line,) = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines() if b'"event":"call"' in line]
    assert line["end"] == "refused" and "temperature" in line["why"] and "Zebra" not in json.dumps(line)
