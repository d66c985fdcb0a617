"""An incident, and the questions that somebody asks at night: each has one command and one page, which say the same."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import Crowd, crowd
from tests.support.listening import listening
from tests.support.processes import Served, command, serving, until_booked
from tests.support.receivers import Receiver
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, trial, write

TOKEN = f"authorization: Bearer {ADMIN_TOKEN}"
WORDS = "The server is overloaded"


@dataclass
class Incident:
    """What each surface said of it."""

    commands: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)


async def look(served: Served, agent: str) -> Incident:
    """Ask each command, and open each page."""
    found = Incident()
    for name, arguments in {
        "status": ("status", agent), "explain": ("explain", agent), "over": ("status", "--fail-on", "failing,breached"),
        "ended": ("wait", agent, "--for", "ended", "--timeout", "60s"), "costs": ("costs", agent, "--json"),
        "out": ("status", "--fail-on", "all"),
    }.items():  # fmt: skip
        done = await command(*arguments, SERINUS_URL=served.url)
        found.commands[name], found.codes[name] = done.out, done.code
    call_id = re.findall(r"call (\S+) at ", found.commands["explain"])[0]
    found.commands["trace"] = (await command("trace", call_id, SERINUS_URL=served.url)).out
    name = quote(agent, safe="")
    for path in ("/status", f"/status/{name}", f"/calls/{call_id}", f"/conversations/{call_id}"):
        reply = await served.ask("GET", path, headers=(TOKEN, "accept: text/html"))
        found.pages[path.replace(call_id, "ID").replace(name, "AGENT")] = _text(reply.body.decode())
    report = await served.ask("GET", f"/report/{name}?since=1d", headers=(TOKEN,))
    found.pages["report"] = _text(json.loads(report.body)["html"])
    return found


def _text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


async def burn(people: Crowd, served: Served, agent: str) -> int:
    """Call the agent until its canary is out; the number of calls."""
    calls = 0

    async def is_out() -> bool:
        nonlocal calls
        await people.call_often(agent, 8)
        calls += 8
        return (await served.status()).agents[agent].phase == "rolled_back"

    await until(is_out)
    return calls


async def test_each_question_has_one_command_and_one_page(tmp_path: Path, redis_url: str, agent: str) -> None:
    """What happened, why, is it over, what did it cost; of a bad canary that a fallback hides from clients.

    Another replica is asked than the one that served the calls.
    """
    receiver = Receiver()
    broken = ModelBehaviour(error_rate=1.0, error_message=WORDS)
    good = ModelBehaviour(prompt_tokens=100, output_tokens=10)
    async with provider(bad=broken, good=good) as standin, listening(receiver.serve) as port:
        files = trial(agent, standin, fallback=["standin/good"])
        price = {"target": "standin/good", "from": "2026-01-01", "input": 10, "output": 100}
        hook = {"url": f"http://127.0.0.1:{port}/", "allow_private": True, "on": ["roll_back"]}
        files["gateway.yaml"] |= {"notify": [hook], "prices": [price]}  # type: ignore[operator]
        config, store = write(tmp_path / "config", files), {"SERINUS_STORE": redis_url}
        async with serving(config, store, "one") as served, serving(config, store, "other") as other:
            async with crowd(served.url) as people:
                calls = await burn(people, served, agent)
            await until_booked(other, agent, calls)
            await until(lambda: asyncio.sleep(0, len(receiver.bodies) == 1))
            seen = await look(other, agent)
    happened = "v2 was rolled back. v1 serves every call."
    assert happened in seen.commands["status"]
    assert all(happened in seen.pages[page] for page in ("/status", "/status/AGENT", "report"))
    reason = receiver.bodies[0]["reason"]
    assert reason in seen.commands["explain"] and reason in seen.pages["/status/AGENT"]
    assert all(
        WORDS in said for said in (seen.commands["explain"], seen.pages["/status/AGENT"], seen.pages["/calls/ID"])
    )
    assert "fallback" in seen.commands["trace"] and "fallback" in seen.pages["/conversations/ID"]
    assert (seen.codes["over"], seen.codes["ended"], seen.codes["out"]) == (0, 0, 14)
    cost = calls * (100 * 10 + 10 * 100) / 1e6  # each call was answered, the canary's by the fallback
    total = json.loads(seen.commands["costs"])["total"]
    assert total["calls"] == calls and abs(total["cost_usd"] - cost) < 0.000_001
    assert f"all {calls} " in seen.pages["report"] and f"${cost:.3g}" in seen.pages["report"]


async def run_a_tool(served: Served, agent: str) -> str:
    """Let the agent ask for a tool, which fails, and answer; return the id of its last call."""
    function = {"name": "look_up", "parameters": {"type": "object", "properties": {}}}
    messages: list[object] = [{"role": "user", "content": "call look_up"}]
    for _ in range(2):
        asked = {"model": agent, "messages": messages, "tools": [{"type": "function", "function": function}]}
        reply = await served.ask("POST", "/v1/chat/completions", json.dumps(asked).encode())
        message = json.loads(reply.body)["choices"][0]["message"]
        for each in message.get("tool_calls") or ():
            messages += [message, {"role": "tool", "tool_call_id": each["id"], "content": "Error: no such order"}]
    return reply.headers["x-serinus-call-id"]


async def is_kept(served: Served, call_id: str) -> bool:
    return (await served.ask("GET", f"/calls/{call_id}", headers=(TOKEN,))).status == 200


async def test_the_questions_of_the_day(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Why a call took so long, which tool failed, what the agent did at each step, what it cost; at another replica."""
    slow = ModelBehaviour(latency_seconds=1.2, prompt_tokens=100, output_tokens=10)
    async with provider(good=slow, bad=ModelBehaviour(error_rate=1.0, error_message=WORDS)) as standin:
        files = trial(agent, standin, "0%", fallback=["standin/good"])
        price = {"target": "standin/good", "from": "2026-01-01", "input": 10, "output": 100}
        files["gateway.yaml"] |= {"prices": [price], "retries": {"per_target": 0}}  # type: ignore[operator]
        files[f"agents/{agent}/v1.yaml"] = {"model": "standin/bad"}
        config, store = write(tmp_path / "config", files), {"SERINUS_STORE": redis_url}
        async with serving(config, store, "one") as one, serving(config, store, "other") as other:
            found = await run_a_tool(one, agent)
            await until(lambda: is_kept(other, found))
            trace = (await command("trace", found, SERINUS_URL=other.url)).out
            page = await other.ask("GET", f"/conversations/{found}", headers=(TOKEN, "accept: text/html"))
    lines = trace.splitlines()
    kinds = [line.split()[1] for line in lines[1:] if line[0] in "├└"]
    assert kinds == ["llm", "tool", "llm"]
    assert re.search(r"standin/bad \(500\) → standin/good  1\.\d s .* fallback  asked for look_up", lines[1])
    assert any(line.endswith(f"standin/bad: {WORDS} (server_error)") or WORDS in line for line in lines[2:3])
    assert re.search(r"tool +look_up  \d+ ms  error", trace)
    cost = 2 * (100 * 10 + 10 * 100) / 1e6
    assert "2 calls · 2." in lines[0] and f"${cost:.5f}" in lines[0]
    text = _text(page.body.decode())
    assert all(said in text for said in (WORDS, "fallback", "look_up", "error", f"${cost:.5f}"))
