"""An agent's own time limits: whom they hold for, what they inherit, and that a reload changes them."""

import asyncio
import json
from typing import Any

import openai
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.conftest import Serve
from tests.support.calling import HELLO, Place, eventually, failing, standing_in
from tests.support.running import write

PATIENT = {"first_token": "5s", "answer": "5s", "between_chunks": "5s", "total": "5s"}
BRIEF = {"first_token": "200ms", "answer": "200ms", "between_chunks": "200ms"}
BACKUP = {"fallback": ["standin/backup"]}


async def statuses(serve: Serve, general: dict[str, str], own: dict[str, str], stream: bool) -> list[int]:
    """The status of two calls at a slow provider: of an agent that has no limits of its own, and of one that has."""
    here = await serve(gateway={"timeouts": general})
    here.standin.behave("good", ModelBehaviour(latency_seconds=0.5))
    other = f"{here.agent}-other"
    routed = {here.agent: {"stable": "v1"}, other: {"stable": "standin/good", "timeouts": own}}
    reroute(here, routed)
    answers = await asyncio.gather(here.chat(stream=stream), here.chat(stream=stream, model=other))
    return [answer.status_code for answer in answers]


def reroute(here: Place, agents: dict[str, Any]) -> None:
    write(here.running.folder, {"routing.yaml": {"agents": agents}})
    here.running.reload()


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_one_waits_and_one_gives_up(serve: Serve, stream: bool) -> None:
    """At the same slow provider an agent without limits of its own waits as the gateway says, a hasty one does not."""
    assert await statuses(serve, PATIENT, BRIEF, stream) == [200, 504]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_one_may_think_longer_than_the_others(serve: Serve, stream: bool) -> None:
    """A reasoning agent outlasts the gateway's limits, its total time too."""
    assert await statuses(serve, {**BRIEF, "total": "200ms"}, PATIENT, stream) == [504, 200]


async def test_what_is_not_written_is_inherited(serve: Serve) -> None:
    """An agent with another limit alone has the gateway's time for an answer; a plain model has it, too."""
    models = {"models": ["standin/good"], "timeouts": {**PATIENT, "answer": "200ms"}}
    here = await serve(gateway=models, routing={"timeouts": {"total": "2s"}})
    here.standin.behave("good", failing("hang"))
    answers = await asyncio.gather(here.chat(), here.chat(model="standin/good"))
    assert [answer.status_code for answer in answers] == [504, 504]
    assert "did not answer within 0.2 s" in answers[0].json()["error"]["message"]


async def test_a_stream_that_falls_silent(serve: Serve) -> None:
    """The longest silence within an answer is the agent's own."""
    here = await serve(routing={"timeouts": {"between_chunks": "200ms"}}, gateway={"timeouts": PATIENT})
    here.standin.behave("good", failing("hang_mid_stream"))
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match=r"no data from the provider for 0\.2 s"):
        async for _ in stream:
            pass


async def test_a_late_first_target_leaves_time_for_the_next(serve: Serve) -> None:
    """Each attempt has the agent's limits, and the fallback answers the client."""
    here = await serve(routing={**BACKUP, "timeouts": BRIEF}, gateway={"timeouts": PATIENT})
    here.standin.behave("good", failing("hang"))
    answer = await here.chat()
    assert (answer.status_code, answer.headers["x-serinus-target"]) == (200, "standin/backup")


async def test_the_total_ends_every_attempt(serve: Serve) -> None:
    """However many targets are left."""
    chain = {"fallback": ["standin/backup", "standin/third"]}
    limits = {"answer": "200ms", "first_token": "200ms", "between_chunks": "200ms", "total": "300ms"}
    here = await serve(routing={**chain, "timeouts": limits}, gateway={"timeouts": PATIENT})
    for model in ("good", "backup", "third"):
        here.standin.behave(model, failing("hang"))
    assert (await here.chat()).status_code == 504
    assert here.standin.counts("third").requests == 0


async def test_a_hedge_has_the_agents_limits(serve: Serve) -> None:
    """Both attempts of a race end in the agent's time, not in the gateway's."""
    hedged = {**BACKUP, "hedge": {"after": "50ms", "budget": "50%"}, "timeouts": BRIEF}
    here = await serve(routing=hedged, gateway={"timeouts": PATIENT})
    for model in ("good", "backup"):
        here.standin.behave(model, failing("hang"))
    async with asyncio.timeout(3):
        answer = await here.chat()
    assert (answer.status_code, answer.headers["x-serinus-attempts"]) == (504, "2")


@pytest.mark.parametrize("path", ["responses/resp_1?model={agent}", "embeddings"])
async def test_forwarded_endpoints_have_them_too(serve: Serve, path: str) -> None:
    """Whether the agent is named in the query or in the body."""
    here = await serve(routing={"timeouts": BRIEF}, gateway={"timeouts": PATIENT})
    async with standing_in(here, hang):
        url = f"{here.base_url}/{path.format(agent=here.agent)}"
        body: dict[str, Any] = {"model": here.agent, "input": "x"}
        async with asyncio.timeout(3):
            answer = await (here.http.get(url) if "?" in url else here.http.post(url, json=body))
    assert answer.status_code == 504


async def test_a_reload_changes_them_and_no_trial(serve: Serve) -> None:
    """The next call has the new limits; the rollout goes on at its epoch."""
    trial = {"stable": "v1", "canary": "v2", "weight": "0%"}
    here = await serve(routing=trial, files={"v2.yaml": {"model": "standin/good", "temperature": 0.1}})
    here.standin.behave("good", ModelBehaviour(latency_seconds=0.5))
    assert (await here.chat()).status_code == 200
    before = here.running.gateway.services.table.seen(here.agent)
    reroute(here, {here.agent: {**trial, "timeouts": BRIEF}})
    assert (await here.chat()).status_code == 504
    after = here.running.gateway.services.table.seen(here.agent)
    assert before is not None and after is not None and before.epoch == after.epoch


async def test_copies_have_them_too(serve: Serve) -> None:
    """A shadow's copy ends in the agent's time, and is a failure of its own."""
    shadow = {"version": "v9", "sample": "100%"}
    routing = {"shadow": shadow, "timeouts": BRIEF}
    here = await serve(routing=routing, files={"v9.yaml": {"model": "standin/shadow"}}, gateway={"timeouts": PATIENT})
    here.standin.behave("shadow", failing("hang"))
    async with asyncio.timeout(3):
        assert (await here.chat()).status_code == 200
        await eventually(lambda: here.standin.counts("shadow").cancelled == 1)


async def test_old_connections_wait_for_the_longest_agent(serve: Serve) -> None:
    """A new way to the provider closes the old one when the most patient agent's calls must be over."""
    here = await serve(gateway={"timeouts": {**BRIEF, "total": "300ms"}}, routing={"timeouts": PATIENT})
    assert here.running.gateway.deployment.longest_call == 5.0
    here.standin.behave("good", ModelBehaviour(latency_seconds=1.0))
    calling = asyncio.create_task(here.chat())
    await eventually(lambda: here.standin.counts("good").open == 1)
    async with standing_in(here, hang):  # another address alone keeps the connections
        settings = json.loads((here.running.folder / "gateway.yaml").read_text())
        write(here.running.folder, {"gateway.yaml": {**settings, "timeouts": {**BRIEF, "connect": "3s"}}})
        here.running.reload()
        assert (await calling).status_code == 200
