"""Secrets are planted in a running gateway before a provider that quotes all it hears; no output may show them."""

import asyncio
import gzip
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.listening import listening
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, write
from tests.support.stored import stored

KEY = "sk-planted/Zq7+XyR4mWz9aK2vLq8tB1nD3fG5hJ7"
HOOK, SIGNING, FINGERPRINTS = "planted-hook-8c41d0a7e2", "planted-signing-5b90c3f1", "planted-prints-77aa01be"
TOKEN = f"authorization: Bearer {ADMIN_TOKEN}"
# What gives them away: a part of the key in its middle, base64 of the same, and the other secrets.
TRACES = re.compile(
    rb"R4mWz9aK2vLq|sk-planted.{0,6}Zq7|planted-(?:hook|signing|prints)-"
    + b"|".join([b"", *(re.escape(b64encode(b"\0" * n + KEY.encode())[8:24]) for n in range(3))])
)
MODES = ("400", "401", "404", "422", "429", "500", "html", "base64", "cut", "inside", "whole", "gzip", "header", "echo")


@dataclass
class Echo:
    """A provider that quotes the key it was called with in every way it can think of, and a receiver of webhooks."""

    told: list[bytes] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"content-length: (\d+)", head.lower())
            body = await reader.readexactly(int(length[1]) if length else 0)
            if b"/hook/" in head.split(b"\r\n")[0]:
                self.told.append(body)
                writer.write(b"HTTP/1.1 204 X\r\n\r\n")
                continue
            found = re.search(rb"(?:authorization: Bearer |x-api-key: |x-goog-api-key: )([^\r]+)", head, re.IGNORECASE)
            assert found and found[1].decode() == KEY
            mode = re.search(rb"mode-(\w+)", body + head)
            await _quote(
                writer,
                mode[1].decode() if mode else "500",
                re.search(rb'"stream": ?true|alt=sse', head + body) is not None,
            )
            writer.close()
            return


async def _quote(writer: asyncio.StreamWriter, mode: str, streams: bool) -> None:
    said: dict[str, Any] = {"error": {"message": f"wrong key {KEY}", "type": f"of {KEY}", "param": KEY, "code": KEY}}
    more, status = f"openai-organization: {KEY}\r\nx-request-id: {KEY}\r\nretry-after-ms: 1\r\n", 200
    if mode.isdecimal():
        status = int(mode)
    elif mode == "base64":
        status, said = 400, {"error": {"message": b64encode(f"Bearer {KEY}".encode()).decode()}}
    elif mode == "cut":
        status, said = 400, {"error": {"message": f"wrong key {KEY[:30]}..."}}
    elif mode == "header":
        more += f"transfer-encoding: {KEY}\r\n"
    elif mode in ("whole", "gzip", "echo"):
        message = {"role": "assistant", "content": f"You sent {KEY}."}
        choice = {"index": 0, "message": message, "delta": message, "finish_reason": "stop"}
        said = {"id": "c", "object": "chat.completion", "choices": [choice], "headers": {"x": KEY}}
    data = json.dumps(said).replace("/", "\\/").encode() if mode != "html" else f"<p>{KEY}</p>".encode()
    if mode == "html":
        status = 502
    if streams and status == 200 and mode != "gzip":
        await _stream(writer, data, more)
        return
    if mode == "gzip":
        data, more = gzip.compress(data), more + "content-encoding: gzip\r\n"
    more += f"content-type: application/json\r\ncontent-length: {len(data)}\r\n"
    writer.write(f"HTTP/1.1 {status} X\r\n{more}connection: close\r\n\r\n".encode() + data)


async def _stream(writer: asyncio.StreamWriter, data: bytes, more: str) -> None:
    """The event in two pieces, cut at every place within the key once in a while."""
    writer.write(f"HTTP/1.1 200 X\r\n{more}content-type: text/event-stream\r\nconnection: close\r\n\r\n".encode())
    for cut in range(0, len(KEY), 6):
        at = data.index(b"sk-planted") + cut
        writer.write(b"data: " + data[:at])
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(data[at:] + b"\n\n")
    writer.write(b"data: [DONE]\n\n")


@asynccontextmanager
async def place(folder: Path, redis_url: str, agent: str, transport: str) -> AsyncIterator[tuple[Served, Echo]]:
    """The gateway's process with all its secrets, before that provider."""
    echo = Echo()
    async with listening(echo) as port:
        url = f"http://127.0.0.1:{port}"
        base = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "/v1"}
        base |= {"gemini": "/v1beta", "gemini-interactions": "/v1beta"}
        providers = {
            api: {"api": api, "base_url": url + path, "api_key": "${KEY}", "transport": transport}
            for api, path in base.items()
        }
        hook = {"webhook": url + "/hook/${HOOK}", "allow_private_webhook": True, "secret": "${SIGNING}"}
        notify = [{"url": url + "/hook/${HOOK}", "allow_private": True, "on": ["roll_back", "start"]}]
        notify.append({"url": "http://127.0.0.1:1/dead/${HOOK}", "allow_private": True, "on": ["roll_back", "start"]})
        retries = {"per_target": 1, "base": "1ms", "cap": "1ms"}
        gateway = {"providers": providers, "retries": retries, "escalation": hook, "notify": notify}
        agents: dict[str, Any] = {f"{agent}-{api}": {"stable": "v1"} for api in base}
        agents[agent] = {"stable": "v1", "canary": "v2", "weight": "50%", "sticky": "request", "fallback": ["human"]}
        files: dict[str, object] = {
            "gateway.yaml": {**gateway, "fingerprint_key": "${PRINTS}", "circuit": {"failures": 10000}}
        }
        files |= {f"agents/{agent}-{api}/v1.yaml": {"model": f"{api}/m", "max_tokens": 9} for api in base}
        files |= {
            f"agents/{agent}/{v}.yaml": {"model": f"openai/mode-{mode}"} for v, mode in (("v1", "whole"), ("v2", "500"))
        }
        environ = {"KEY": KEY, "HOOK": HOOK, "SIGNING": SIGNING, "PRINTS": FINGERPRINTS, "SERINUS_STORE": redis_url}
        config = write(folder / "config", {**files, "routing.yaml": {"agents": agents}})
        async with serving(config, environ) as served:
            yield served, echo


def calls(agent: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every mode, whole and streamed, from clients of every format to providers of every format."""
    for mode in MODES:
        text, stream = f"mode-{mode}", {"stream": True}
        for api in ("openai", "openai-responses", "anthropic", "gemini", "gemini-interactions"):
            messages = {"model": f"{agent}-{api}", "messages": [{"role": "user", "content": text}]}
            for more in ({}, stream):
                yield "POST", "/v1/chat/completions", {**messages, **more}
                yield "POST", "/v1/messages", {**messages, "max_tokens": 9, **more}
                yield "POST", "/v1/responses", {"model": f"{agent}-{api}", "input": text, **more}
                yield "POST", "/v1beta/interactions", {"model": f"{agent}-{api}", "input": text, **more}
            parts = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
            yield "POST", f"/v1beta/models/{agent}-{api}:generateContent", parts
        yield "POST", "/v1/messages/count_tokens", {"model": f"{agent}-anthropic", "messages": messages["messages"]}
        yield "POST", "/v1/embeddings", {"model": f"{agent}-openai", "input": text}
        yield "POST", "/v1/images/generations", {"model": f"{agent}-openai", "prompt": text}
        yield "POST", "/v1/audio/speech", {"model": f"{agent}-openai", "input": text, "stream": True}
        yield "GET", f"/v1/files/{text}?model={agent}-openai", {}


async def answer(gateway: Served, method: str, path: str, body: bytes) -> bytes:
    """All that the gateway sends back, byte for byte."""
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", "content-type: application/json"]
    writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("transport", ["lean", "standard"])
async def test_no_output_shows_a_secret(tmp_path: Path, redis_url: str, agent: str, transport: str) -> None:
    """Neither what clients get, nor the log, /status, metrics, audit, escalations, the store or a webhook."""
    async with place(tmp_path, redis_url, agent, transport) as (gateway, echo):
        seen: dict[str, bytes] = {}

        async def call(method: str, path: str, asked: dict[str, Any]) -> None:
            body = json.dumps(asked).encode() if asked else b""
            async with few:
                seen[f"{path} {body!r}"] = await answer(gateway, method, path, body)

        few = asyncio.Semaphore(8)
        await asyncio.gather(*[call(*each) for each in calls(agent)])
        for number in range(60):  # a rollback with its evidence and its notices, and people who take over
            chat = {"model": agent, "messages": [{"role": "user", "content": f"hello {number}"}]}
            await call("POST", "/v1/chat/completions", chat)
        await until(lambda: asyncio.sleep(0, any(b"roll_back" in told for told in echo.told)))
        await until(lambda: asyncio.sleep(0, any(b"hello" in told for told in echo.told)))
        for path in ("/status", f"/status/{agent}", f"/audit/{agent}", "/v1/escalations"):
            seen[path] = repr(await gateway.ask("GET", path, headers=(TOKEN,))).encode()
        for accept in ("application/openmetrics-text", "text/plain"):
            headers = (TOKEN, f"accept: {accept}")
            seen[accept] = repr(await gateway.ask("GET", "/metrics", headers=headers)).encode()
        seen["page"] = repr(await gateway.ask("GET", "/status", headers=(TOKEN, "accept: text/html"))).encode()
        for call_id in re.findall(rb'"call_id":"([^"]+)"', seen["/v1/escalations"])[:9]:
            path = f"/v1/escalations/{call_id.decode()}"
            seen[path] = repr(await gateway.ask("GET", path, headers=(TOKEN,))).encode()
        seen |= {"store": await stored(redis_url), "webhooks": b"".join(echo.told)}
        await gateway.end()
    seen |= {"log": gateway.out.read_bytes(), "errors": gateway.errors.read_bytes()}
    assert b"serinus_calls_total{" in seen["text/plain"]
    assert b"roll_back" in seen["store"] and b"escalated" in seen["log"] and b"***" in b"".join(seen.values())
    assert {what: found[0] for what, text in seen.items() if (found := TRACES.search(text))} == {}
