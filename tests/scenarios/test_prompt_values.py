"""Values of prompt variables before whole processes: no record shows one, and OpenAI's own SDK sends them."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.support.listening import listening
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, write
from tests.support.stored import stored

TOKEN = f"authorization: Bearer {ADMIN_TOKEN}"
SECRET = "Zanzibar-8613"
HOSTILE = SECRET + " {{plan}} \\{{name}} {{#each x}} \U0001f600"
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1beta/interactions")
VERSION = {
    "system_prompt": "For {{name}} of {{plan}}.",
    "messages": [{"role": "user", "content": "I am {{name}}."}, {"role": "assistant", "content": "Hi {{name}}."}],
    "inputs": {"name": {}, "plan": {"enum": ["free", "pro"], "default": "free"}},
}


class Quoting:
    """A provider that answers with an error which quotes the request, where that asks it to, and hears notices."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.bodies: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1]) if length else 0)
        is_notice = b"/hook" in head.split(b"\r\n")[0]
        (self.told if is_notice else self.bodies).append(body)
        if is_notice:
            writer.write(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n")
            return
        quoted = " ".join(re.findall(r'"(?:content|text)":"([^"]*)"', body.decode()))
        said = json.dumps({"error": {"message": f"You sent {quoted}", "code": SECRET, "param": "messages[0].content"}})
        status = 500 if b'"m2"' in body else 400
        writer.write(f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {len(said)}\r\n\r\n{said}".encode())


@asynccontextmanager
async def quoted(folder: Path, redis_url: str, agent: str) -> AsyncIterator[tuple[Served, Quoting]]:
    """The gateway's process before that provider, with a trial whose canary fails."""
    quoting = Quoting()
    async with listening(quoting) as port:
        url = f"http://127.0.0.1:{port}"
        hook = {"url": f"{url}/hook", "allow_private": True, "on": ["roll_back"]}
        files: dict[str, object] = {
            "gateway.yaml": {
                "providers": {"openai": {"api": "openai", "base_url": f"{url}/v1"}}, "notify": [hook],
                "retries": {"per_target": 0}, "circuit": {"failures": 10_000},
            },
            "routing.yaml": {"agents": {agent: {"stable": "v1", "canary": "v2", "weight": "50%", "sticky": "request"}}},
            f"agents/{agent}/v1.yaml": {"model": "openai/m1", **VERSION},
            f"agents/{agent}/v2.yaml": {"model": "openai/m2", **VERSION},
        }  # fmt: skip
        async with serving(write(folder / "config", files), {"SERINUS_STORE": redis_url}) as served:
            yield served, quoting


def requests(agent: str) -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Calls of every format: with good values in every place, with wrong ones, and with a value in the wrong place."""
    wrong: list[Any] = [
        [HOSTILE],
        HOSTILE,
        {"name": [HOSTILE]},
        {"name": HOSTILE * 900},
        {"plan": HOSTILE, "name": "x"},
    ]
    header = f"x-serinus-inputs: {base64.urlsafe_b64encode(json.dumps({'name': HOSTILE}).encode()).decode()}"
    found: list[tuple[str, dict[str, Any], tuple[str, ...]]] = []
    for path in PATHS:
        said: dict[str, Any] = {"model": agent, "input": "hi"} if "messages" not in path and "chat" not in path else {
            "model": agent, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9
        }  # fmt: skip
        found += [(path, {**said, "prompt_variables": values}, ()) for values in ({"name": HOSTILE}, *wrong)]
        found += [
            (path, {**said, "inputs": {"name": HOSTILE}}, ()),
            (path, said, (header,)),
            (path, said, (header[:-3],)),
        ]
        prompt = {"id": agent, "variables": {"name": {"type": "input_image", "image_url": HOSTILE}}}
        found += [(path, {**said, "prompt": prompt}, ())] if path in PATHS[:2] else []
    return found


async def test_no_record_shows_a_value(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Neither the log, nor status, audit, traces, metrics, the store, a notice or a client's 400."""
    async with quoted(tmp_path, redis_url, agent) as (gateway, provider):
        shown: dict[str, bytes] = {}
        for number, (path, body, headers) in enumerate(requests(agent)):
            answer = await gateway.ask("POST", path, json.dumps(body).encode(), headers)
            if b"prompt variable" in answer.body or b"x-serinus-inputs" in answer.body:
                shown[f"refused {number}"] = answer.body
        for number in range(60):
            chat = {"model": agent, "messages": [{"role": "user", "content": str(number)}], "inputs": {"name": HOSTILE}}
            await gateway.ask("POST", PATHS[0], json.dumps(chat).encode())
        await until(_told(provider))
        for path in ("/status", f"/status/{agent}", f"/status/{agent}/audit", "/metrics", "/calls", "/conversations"):
            shown[path] = (await gateway.ask("GET", path, headers=(TOKEN,))).body
        shown |= {"store": await stored(redis_url), "notices": b"".join(provider.told)}
        await gateway.end()
        shown |= {"log": gateway.out.read_bytes(), "errors": gateway.errors.read_bytes()}
    found = {where: text[at - 60 : at + 60] for where, text in shown.items() if (at := _place(text)) >= 0}
    assert found == {}
    asked = b"".join(provider.bodies)
    assert b"You sent" in shown["log"] or b"400" in shown["log"]
    expected = json.dumps(f"For {HOSTILE} of free.").encode()
    assert expected in asked and len([each for each in shown if each.startswith("refused")]) == 18


def _place(text: bytes) -> int:
    """Where a text shows the word of the secret: its digits may stand in any time."""
    return text.find(b"anzibar")


def _told(provider: Quoting) -> Any:
    async def told() -> bool:
        return bool(provider.told)

    return told


@pytest.mark.parametrize("api", ["openai", "openai-responses", "anthropic"])
async def test_stored_prompts_with_openais_sdk(tmp_path: Path, redis_url: str, agent: str, api: str) -> None:
    """Code that was written for stored prompts of OpenAI's goes on with another `base_url`: whole, and as a stream."""
    async with provider() as standin:
        files: dict[str, object] = {
            "gateway.yaml": {"providers": {"standin": {"api": api, "base_url": standin.base_url}}},
            "routing.yaml": {"agents": {agent: {"stable": "v3"}}, "prompt_ids": {"pmpt_68": agent}},
            f"agents/{agent}/v3.yaml": {"model": "standin/good", **VERSION},
        }
        async with serving(write(tmp_path / "config", files), {"SERINUS_STORE": redis_url}) as served:
            client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x", max_retries=0)
            hello: Any = [{"role": "user", "content": "hi"}]
            bare: Any = {"id": "pmpt_68"}
            unknown: Any = {"id": "pmpt_70"}
            later: Any = {"id": "pmpt_68", "version": "9"}
            prompt: Any = {"id": "pmpt_68", "version": "3", "variables": {"name": HOSTILE}}
            asked: Any = {"model": "gpt-4.1", "prompt": prompt, "input": "hi"}  # the SDK insists on a model here
            answer = await client.responses.create(prompt=prompt)
            assert answer.prompt is not None and answer.output_text
            assert (answer.prompt.id, answer.prompt.version, answer.prompt.variables) == (
                "pmpt_68",
                "v3",
                {"name": HOSTILE},
            )
            async with client.responses.stream(**asked) as stream:
                events = [event async for event in stream]
            held = [
                event.response.prompt for event in events if event.type in ("response.created", "response.completed")
            ]
            assert [each and each.id for each in held] == ["pmpt_68", "pmpt_68"]
            with pytest.raises(openai.BadRequestError, match="'name'") as caught:
                await client.responses.create(prompt=bare)
            assert (caught.value.code, caught.value.param) == ("missing_prompt_variable", "prompt_variables.name")
            with pytest.raises(openai.NotFoundError, match="does not exist"):
                await client.responses.create(prompt=unknown)
            with pytest.raises(openai.NotFoundError, match="no version '9'"):
                await client.responses.create(prompt=later)
            chat = await client.chat.completions.create(model="", messages=hello, extra_body={"prompt": prompt})
            assert chat.choices[0].message.content
            await client.close()
