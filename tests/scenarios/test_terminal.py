"""The command at a terminal: a banner and log lines for people, and JSON wherever nobody reads along."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import ask
from tests.support.processes import command, configuration, serving
from tests.support.running import ADMIN_TOKEN, provider
from tests.support.terminals import Terminal, at_terminal

pytestmark = [pytest.mark.process, pytest.mark.socket, pytest.mark.redis, pytest.mark.files]
HOSTILE = "overloaded\x1b[2J\x1b]0;title\x07\r\n\u202e"


def _url(terminal: Terminal) -> str:
    found = re.search(r"base_url\s+(?:\x1b\[\d+m)*(http://\S+?)/v1", terminal.wait_for("agents"))
    assert found
    return found[1]


async def test_a_person_reads_along(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The banner, then a line for each call; a provider's escape sequences are shown, and no secret is."""
    failing = ModelBehaviour(error_rate=1.0, error_message=HOSTILE)
    async with provider(good=failing) as standin:
        folder = configuration(tmp_path, standin, agent)
        environ = {"SERINUS_STORE": redis_url, "SERINUS_LISTEN": "127.0.0.1:0"}
        with at_terminal("serve", "--config", str(folder), environ=environ, cwd=str(tmp_path)) as terminal:
            url = await asyncio.to_thread(_url, terminal)
            body = json.dumps({"model": agent, "messages": [{"role": "user", "content": "hi"}]}).encode()
            await ask(url, "POST", "/v1/chat/completions", body)
            said = await asyncio.to_thread(terminal.wait_for, "call ")
            terminal.type("\x03")
            assert await asyncio.to_thread(terminal.end) == 0
    assert f"{url}/status" in said and f"{agent} v1" in said and "\x1b[32m" not in said.partition("agents")[0]
    assert "\x1b[2J" not in terminal.shown and "\x07" not in terminal.shown and ADMIN_TOKEN not in terminal.shown
    assert "stopped" in terminal.shown


async def test_several_workers_say_it_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The parent, as soon as one serves; without colours where none are wanted."""
    async with provider() as standin:
        folder = configuration(tmp_path, standin, agent)
        environ = {"SERINUS_STORE": redis_url, "SERINUS_LISTEN": "127.0.0.1:0", "NO_COLOR": "1"}
        arguments = ("serve", "--workers", "2", "--config", str(folder))
        with at_terminal(*arguments, environ=environ, cwd=str(tmp_path)) as terminal:
            await asyncio.to_thread(_url, terminal)
            terminal.type("\x03")
            assert await asyncio.to_thread(terminal.end) == 0
    assert terminal.shown.count("base_url") == 1 and "\x1b" not in terminal.shown and '{"' not in terminal.shown


async def test_elsewhere_the_log_is_json(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Without a banner; text only where it is asked for, and a word that is no format is wrong usage."""
    async with provider() as standin:
        folder = configuration(tmp_path, standin, agent)
        async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
            assert {line["event"] for line in served.log()} >= {"serving"}
            assert "base_url" not in served.out.read_text()
    for arguments, environ in ((("--log-format", "xml"), {}), ((), {"SERINUS_LOG_FORMAT": "xml"})):
        done = await command("serve", "--config", str(folder), *arguments, **environ)
        assert done.code == 2 and "'xml' is not one of auto, json, text" in done.errors
