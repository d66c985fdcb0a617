"""A rollback says why: on the status, in the audit's evidence, in the notice and in `serinus explain`."""

import asyncio
import json
from pathlib import Path

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import crowd
from tests.support.listening import listening
from tests.support.processes import command, serving
from tests.support.receivers import Receiver
from tests.support.redis_servers import until
from tests.support.running import provider, trial, write


async def test_a_rollback_says_why(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Over two processes, with calls to look at, which the log knows under these ids."""
    receiver = Receiver()
    async with (
        provider(bad=ModelBehaviour(error_rate=1.0)) as standin,
        listening(receiver.serve) as p,
    ):
        hook = {"url": f"http://127.0.0.1:{p}/", "allow_private": True, "on": ["roll_back"]}
        files = trial(agent, standin)
        files["gateway.yaml"] |= {"notify": [hook, {**hook, "format": "slack"}]}  # type: ignore[operator]
        folder, environ = write(tmp_path / "config", files), {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
            async with crowd(one.url, two.url) as people:

                async def is_out() -> bool:
                    await people.call_often(agent, 8)
                    return (await one.status()).agents[agent].phase == "rolled_back"

                await until(is_out)
                await until(lambda: asyncio.sleep(0, len(receiver.bodies) == 2))
                view = (await two.status()).agents[agent].versions["v2"]
            said = (await command("explain", agent, SERINUS_URL=one.url)).out
            event = json.loads((await command("audit", agent, "--json", SERINUS_URL=one.url)).out.splitlines()[0])
            await one.end()
            await two.end()
        logs = one.out.read_bytes() + two.out.read_bytes()
    (reason,) = view.reasons
    assert reason.is_error and (reason.target, reason.status) == ("standin/bad", 500) and reason.message
    assert reason.count == view.errors and 1 <= len(reason.calls) <= 3
    calls = {line["id"]: line for line in map(json.loads, logs.splitlines()) if line["event"] == "call"}
    assert all(calls[each]["why"] and calls[each]["version"] == "v2" for each in reason.calls)
    assert event["action"] == "roll_back" and event["evidence"]["reasons"][0]["message"] == reason.message
    told = {("text" in body): body for body in receiver.bodies}
    assert told[False]["evidence"]["reasons"][0]["calls"] and "Most often: " in told[True]["text"]
    assert f'v2 failed {reason.count} × "{reason.message}" (standin/bad, HTTP 500' in said
    assert b'"most_often":"' in logs
