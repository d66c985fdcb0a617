"""The command at a terminal: a banner and log lines for people, and JSON wherever nobody reads along."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import ask
from tests.support.processes import SERINUS, Served, command, configuration, serving
from tests.support.running import ADMIN_TOKEN, provider, trial, write
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


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Served]:
    """A gateway with a canary at a plain weight."""
    async with provider() as standin:
        folder = write(tmp_path / "config", trial(agent, standin))
        async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
            yield served


async def test_a_status_is_watched_calmly(served: Served, agent: str) -> None:
    """On a screen of its own, never cleared, within 80 × 24; Ctrl-C gives the cursor back; the last status stays."""
    with at_terminal("status", agent, "--watch", "--every", "0.5", "--url", served.url) as terminal:
        await asyncio.to_thread(terminal.wait_for, "\x1b[H")
        while terminal.shown.count("\x1b[H") < 3:
            await asyncio.to_thread(terminal.read)
        terminal.type("\x03")
        assert await asyncio.to_thread(terminal.end) == 0
    own, _, after = terminal.shown.partition("\x1b[?1049l")
    assert own.startswith("\x1b[?1049h\x1b[?25l") and own.endswith("\x1b[?25h") and "\x1b[2J" not in own
    frame = re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", own.split("\x1b[H")[1]).split("\r\n")
    assert len(frame) <= 24 and max(map(len, frame)) < 80
    assert f"{agent}: running" in after and "Traceback" not in after and "\x1b[?" not in after


async def test_a_stopped_watch_gives_the_terminal_back_until_it_goes_on(served: Served) -> None:
    """Ctrl-Z in a shell: the first screen with its cursor; `fg` shows the status at once, on the other one."""
    watch = shlex.join((*SERINUS, "status", "--watch", "--every", "600", "--url", served.url))
    with at_terminal("--norc", "-i", program=("/bin/bash",)) as terminal:
        terminal.type(f"{watch}\n")
        await asyncio.to_thread(terminal.wait_for, "Ctrl-C ends")
        terminal.type("\x1a")
        stopped = await asyncio.to_thread(terminal.wait_for, "Stopped")
        assert stopped.rfind("\x1b[?1049l") > stopped.rfind("\x1b[?1049h") and "\x1b[?25h\x1b[?1049l" in stopped
        terminal.shown = ""
        terminal.type("fg\n")
        await asyncio.to_thread(terminal.wait_for, "Ctrl-C ends")
        assert "\x1b[?1049h\x1b[?25l\x1b[H" in terminal.shown
        terminal.type("\x03")
        await asyncio.to_thread(terminal.wait_for, "\x1b[?25h\x1b[?1049l")
        terminal.type("echo code $?; exit\n")
        await asyncio.to_thread(terminal.wait_for, "code 0")


async def test_a_terminated_watch_gives_the_terminal_back(served: Served) -> None:
    """As whoever ends a session expects."""
    with at_terminal("status", "--watch", "--url", served.url) as terminal:
        await asyncio.to_thread(terminal.wait_for, "\x1b[H")
        terminal.process.terminate()
        assert await asyncio.to_thread(terminal.end) == 143
    assert terminal.shown.endswith("\x1b[?25h\x1b[?1049l")


@pytest.mark.parametrize(
    ("answer", "code", "phase"), [("n\r", 1, "running"), ("\r", 1, "running"), ("y\r", 0, "completed")]
)
async def test_a_person_is_asked_before_all_calls_go_to_the_canary(
    served: Served, agent: str, answer: str, code: int, phase: str
) -> None:
    """`promote` of a plain weight; Enter alone is a no."""
    arguments = ("rollout", "promote", agent, "--reason", "all is well", "--url", served.url)
    with at_terminal(*arguments) as terminal:
        await asyncio.to_thread(terminal.wait_for, f"Serve every call of {agent} from v2? [y/N] ")
        terminal.type(answer)
        assert await asyncio.to_thread(terminal.end) == code
    assert "v2 gets 50 %, and a plain weight has no next step." in terminal.shown
    assert (await served.status()).agents[agent].phase == phase


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


async def test_a_decision_names_the_page(served: Served, agent: str) -> None:
    """In the log, and where a person has made it."""
    done = await command("rollout", "pause", agent, "--reason", "a look", "--url", served.url)
    (line,) = (line for line in served.log() if line["event"] == "decision" and line["action"] == "pause")
    assert line["page"] == f"{served.url}/status/{agent}"
    assert done.out == f"{agent}: paused, weight 50 %, epoch 2\npage: {line['page']}\n"
