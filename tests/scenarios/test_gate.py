"""The gate before a rollout, on running replicas: no call for a canary that has not passed its evaluation."""

import json
from functools import partial
from pathlib import Path

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import Reply, crowd
from tests.support.evaluation_records import SUITE, record
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

GOOD, BAD = ModelBehaviour(chunk_text="good "), ModelBehaviour(chunk_text="bad ")


async def approve(served: Served, agent: str, **members: object) -> Reply:
    """A person's approval of the rollout as it stands."""
    epoch = (await served.status()).agents[agent].epoch
    headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {epoch}")
    body = json.dumps({"actor": "ada", "reason": "a fire", **members}).encode()
    return await served.ask("POST", f"/admin/agents/{agent}/approve", body, headers)


async def phase(served: Served, agent: str) -> str | None:
    return (await served.status()).agents[agent].phase


async def test_a_canary_waits_for_its_evaluation(tmp_path: Path, agent: str, redis_url: str) -> None:
    """Two replicas: stable alone serves, a record that is put there lets the canary in at both, an edit ends it."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = write(tmp_path / "config", trial(agent, standin, evaluation={"suite": SUITE}))
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ) as one, serving(folder, environ) as two, crowd(one.url) as people:
            view = (await one.status()).agents[agent]
            assert (view.phase, view.weight) == ("pending", 0.0)
            assert f"run 'serinus eval {agent}@v2 --record'" in view.reason
            await people.call_often(agent, 40)
            assert standin.counts("bad").requests == 0

            record(folder, agent)
            for replica in (one, two):
                await until(partial(is_in, replica, agent, "running"))

            async def has_calls() -> bool:
                await people.call_often(agent, 20)
                return standin.counts("bad").requests > 0

            await until(has_calls)  # once the replicas have told each other which conversations are under way
            write(folder, {f"agents/{agent}/v2.yaml": {"model": "standin/bad", "system_prompt": "You are edited."}})
            for replica in (one, two):
                await until(partial(is_in, replica, agent, "pending"))
            assert "v2 has changed since its evaluation" in (await two.status()).agents[agent].reason


async def is_in(served: Served, agent: str, wanted: str) -> bool:
    return await phase(served, agent) == wanted


async def test_a_person_may_let_it_in(tmp_path: Path, agent: str, redis_url: str) -> None:
    """In so many words; the audit has who and why."""
    async with provider() as standin:
        folder = write(tmp_path / "config", trial(agent, standin, evaluation={"suite": SUITE, "max_age": "30d"}))
        async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
            refused = await approve(served, agent)
            assert refused.status == 409 and b"or say --without-evaluation" in refused.body
            assert (await approve(served, agent, without_evaluation="yes")).status == 400
            assert (await approve(served, agent, without_evaluation=True)).status == 200
            assert await phase(served, agent) == "running"
            event = json.loads(
                (await served.ask("GET", f"/audit/{agent}", headers=(f"authorization: Bearer {ADMIN_TOKEN}",))).body
            )
            assert [event["events"][0][name] for name in ("action", "actor", "reason")] == ["approve", "ada", "a fire"]


async def test_a_replica_without_the_gate_does_not_open_it_in_silence(
    tmp_path: Path, agent: str, redis_url: str
) -> None:
    """One of two has another configuration: what it begins, it begins for both, and both say how that came."""
    async with provider() as standin:
        strict = write(tmp_path / "strict", trial(agent, standin, evaluation={"suite": SUITE}))
        loose = write(tmp_path / "loose", trial(agent, standin))
        async with running(strict, redis_url) as one:
            await until(lambda: shows(one, agent, "v2 has no evaluation on record"))
            async with running(loose, redis_url) as two:
                for each in (one, two):
                    await until(partial(shows, each, agent, "without the evaluation that it waited for"))


async def shows(served: Running, agent: str, words: str) -> bool:
    """Whether the status of a gateway has these words as the reason."""
    view = (await served.gateway.services.status.agents([agent]))[agent]
    return words in view.reason
