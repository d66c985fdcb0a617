"""Providers that quote a prompt, a client's header or a key in their errors: none of it is written down."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.listening import listening
from tests.support.processes import Served, command, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, write
from tests.support.stored import stored

TOKEN = f"authorization: Bearer {ADMIN_TOKEN}"
KEY = "sk-planted-Zq7XyR4mWz9aK2vLq8tB1nD3fG5hJ7"
SECRETS = ("Zanzibar-8613", "Quokka", "tenant-Wombat-9", "Platypus-77", "XyR4mWz9aK2v")
PROMPT = f"mode-{{mode}} My code is {SECRETS[0]} and I keep a {SECRETS[1]}."
MODES = ("400", "401", "403", "429", "500", "plain", "html", "inside", "stream", "param", "header")
APIS = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "bedrock": ""}


class Quoting:
    """A provider that answers every request with an error which quotes all of it, and hears notices."""

    def __init__(self) -> None:
        self.told: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1]) if length else 0)
        if b"/hook" in head.split(b"\r\n")[0]:
            self.told.append(body)
            writer.write(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n")
            return
        found = re.search(rb"mode-(\w+)", body)
        status, more, data = _error(found[1].decode() if found else "500", head, body)
        size = f"content-length: {len(data)}\r\nconnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 {status} X\r\n{more}{size}".encode() + data)


def _error(mode: str, head: bytes, body: bytes) -> tuple[int, str, bytes]:
    """Quote what there is to quote, under a message that tells something."""
    texts = re.findall(rb'"(?:content|text|input)": ?"([^"]*)"', body)
    quoted = (b" ".join(texts)[-200:] + head[-1200:]).decode("latin-1")
    said = f"The request failed. You sent {quoted}"
    error = {"error": {"message": said, "type": "server_error", "code": "overloaded", "status": "UNAVAILABLE"}}
    shown = json.dumps(error | {"type": "error", "message": said}).encode()
    typed = "content-type: application/json\r\nx-request-id: req-4711\r\n"
    if b'"fine"' in body:
        message = {"role": "assistant", "content": "Yes."}
        answer = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return 200, typed, json.dumps(answer).encode()
    if mode.isdecimal():
        return int(mode), typed, shown
    if mode in ("param", "header"):
        secret = texts[-1].split()[-1].decode() if texts else "x"
        error["error"] |= {"param": secret.strip("."), "code": secret.strip(".")}
        return 500, f"x-request-id: {secret.strip('.')}\r\n", json.dumps(error).encode()
    if mode == "stream":
        return 200, "content-type: text/event-stream\r\n", b"event: error\ndata: " + shown + b"\n\n"
    if mode == "inside":
        return 200, typed, shown
    return 502, "content-type: text/html\r\n", (f"<p>{said}</p>" if mode == "html" else said).encode()


@asynccontextmanager
async def place(folder: Path, redis_url: str, agent: str) -> AsyncIterator[tuple[Served, Quoting]]:
    """The gateway's process before that provider, with an agent for each API and one on trial."""
    quoting = Quoting()
    async with listening(quoting) as port:
        url = f"http://127.0.0.1:{port}"
        providers = {api: {"api": api, "base_url": url + path, "api_key": "${KEY}"} for api, path in APIS.items()}
        providers["bedrock"]["region"] = "eu-central-1"
        hook = {"url": f"{url}/hook", "allow_private": True, "on": ["roll_back", "misconfigured"]}
        gateway = {
            "providers": providers, "forward_headers": ["x-tenant"], "circuit": {"failures": 10_000},
            "notify": [hook, {**hook, "format": "slack"}], "retries": {"per_target": 0},
        }  # fmt: skip
        agents: dict[str, Any] = {f"{agent}-{api}": {"stable": "v1"} for api in APIS}
        agents[agent] = {"stable": "v1", "canary": "v2", "weight": "50%", "sticky": "request"}
        files: dict[str, object] = {"gateway.yaml": gateway, "routing.yaml": {"agents": agents}}
        prompt = {"system_prompt": f"Never say {SECRETS[3]}.", "max_tokens": 9}
        files |= {f"agents/{agent}-{api}/v1.yaml": {"model": f"{api}/m", **prompt} for api in APIS}
        files[f"agents/{agent}/v1.yaml"] = {"model": "openai/fine", **prompt}
        files[f"agents/{agent}/v2.yaml"] = {"model": "openai/m2", **prompt}
        async with serving(write(folder / "config", files), {"KEY": KEY, "SERINUS_STORE": redis_url}) as served:
            yield served, quoting


def requests(agent: str) -> list[tuple[str, dict[str, Any]]]:
    """Every mode, whole and streamed, from clients of two formats to providers of every format."""
    found: list[tuple[str, dict[str, Any]]] = []
    for api in APIS:
        for mode in MODES:
            text = PROMPT.format(mode=mode)
            for stream in (False, True):
                chat = {"model": f"{agent}-{api}", "messages": [{"role": "user", "content": text}], "stream": stream}
                found += [("/v1/chat/completions", chat), ("/v1/messages", {**chat, "max_tokens": 9})]
    embedding = {"model": f"{agent}-openai", "input": PROMPT.format(mode="400")}
    image = {"model": f"{agent}-openai", "prompt": PROMPT.format(mode="500")}
    return [*found, ("/v1/embeddings", embedding), ("/v1/images/generations", image)]


async def test_no_record_shows_what_a_provider_quotes(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Neither log, status, traces, metrics, costs, pages, audit, store nor notice; the provider's words are there."""
    async with place(tmp_path, redis_url, agent) as (gateway, quoting):
        headers, seen = (f"x-tenant: {SECRETS[2]}",), dict[str, bytes]()
        few = asyncio.Semaphore(8)

        async def call(path: str, asked: dict[str, Any]) -> None:
            async with few:
                await gateway.ask("POST", path, json.dumps(asked).encode(), headers)

        await asyncio.gather(*[call(*each) for each in requests(agent)])
        for number in range(60):
            chat = {"model": agent, "messages": [{"role": "user", "content": f"{PROMPT} {number}"}]}
            await call("/v1/chat/completions", chat)
        await until(lambda: asyncio.sleep(0, any(b"roll_back" in told for told in quoting.told)))
        for path in (
            "/status", f"/status/{agent}", f"/audit/{agent}", f"/status/{agent}/history", "/calls?unanswered=true",
            "/conversations", "/costs?by=agent,version,key,model,day", "/metrics", f"/report/{agent}",
        ):  # fmt: skip
            seen[path] = repr(await gateway.ask("GET", path, headers=(TOKEN,))).encode()
        call_id = re.findall(rb'"id":"([^"]+)"', seen["/calls?unanswered=true"])[0].decode()
        one = (f"/calls/{call_id}", f"/conversations/{call_id}")
        for path in ("/status", f"/status/{agent}", "/calls", "/conversations", *one):
            page = await gateway.ask("GET", path, headers=(TOKEN, "accept: text/html"))
            seen[f"page {path}"] = repr(page).encode()
        for verb in (("explain", agent), ("status",), ("trace", call_id), ("conversations",)):
            seen[f"serinus {verb[0]}"] = (await command(*verb, SERINUS_URL=gateway.url)).out.encode()
        await until(lambda: asyncio.sleep(0, any(b"misconfigured" in told for told in quoting.told)))
        seen |= {"store": await stored(redis_url), "notices": b"".join(quoting.told)}
        await gateway.end()
    seen |= {"log": gateway.out.read_bytes(), "errors": gateway.errors.read_bytes()}
    assert b"The request failed" in seen[f"/audit/{agent}"] and b"roll_back" in seen["notices"]
    told = (f"page /status/{agent}", *(f"page {path}" for path in one), "serinus explain", "serinus trace")
    assert [each for each in told if b"The request failed" not in seen[each]] == []
    assert b"serinus_calls_total" in seen["/metrics"] and b"<svg" in seen[f"/report/{agent}"]
    lines = [json.loads(line) for line in seen["log"].splitlines() if b'"failures"' in line]
    failures = [failure for line in lines for failure in line["failures"] or ()]
    assert {each["code"] for each in failures} >= {"overloaded"}
    assert any(each["upstream_id"] == "req-4711" for each in failures)
    quotations = [each for each in failures if "The request failed. You sent" in (each["message"] or "")]
    assert len(quotations) > len(failures) / 2
    found = {what: [s for s in SECRETS if s.lower().encode() in text.lower()] for what, text in seen.items()}
    assert not {what: secrets for what, secrets in found.items() if secrets}
