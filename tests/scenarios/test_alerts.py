"""Alerts reach real receivers: once over two replicas, with the next step, and no storm."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gateway.config.problems import ConfigProblems, Problem
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.alerts import Alert
from tests.support.crowd import ask, crowd
from tests.support.faulty_store import deny
from tests.support.listening import listening
from tests.support.receivers import Receiver
from tests.support.redis_servers import until
from tests.support.running import Running, provider, running, write


@asynccontextmanager
async def place(
    folder: Path, redis_url: str, agent: str, **more: Any
) -> AsyncIterator[tuple[list[Running], Receiver, Receiver]]:
    """Two gateways over one store, whose stable version fails, and a receiver of each of two forms."""
    plain, pager = Receiver(), Receiver()
    async with AsyncExitStack() as stack:
        models = {"bad": ModelBehaviour(error_rate=1.0), "rejecting": ModelBehaviour(error_rate=1.0, status=400)}
        standin = await stack.enter_async_context(provider(**models))
        ports = [await stack.enter_async_context(listening(each.serve)) for each in (plain, pager)]
        urls = [{"url": f"http://127.0.0.1:{port}/", "allow_private": True} for port in ports]
        notify = [urls[0], {**urls[1], "format": "pagerduty", "routing_key": "${PAGER}"}]
        files = {
            "gateway.yaml": {
                "providers": {"standin": {"api": "openai", "base_url": standin.base_url}}, "notify": notify,
                "public_url": "https://gw.example.com", "retries": {"per_target": 0}, **more,
            },
            "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
            f"agents/{agent}/v1.yaml": {"model": "standin/bad"},
        }  # fmt: skip
        environ = {"PAGER": "pager-key"}
        write(folder, files)
        gateways = [await stack.enter_async_context(running(folder, redis_url, environ)) for _ in range(2)]
        yield gateways, plain, pager


def told(receiver: Receiver, agent: str) -> list[Any]:
    """What a receiver heard of this test's agent."""
    return [body for body in receiver.bodies if agent in json.dumps(body)]


async def test_a_failing_stable_version_is_told_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """By one of two replicas, to each receiver, with the cause, the next step and a link to the agent's page."""
    async with place(tmp_path, redis_url, agent) as (gateways, plain, pager):
        async with crowd(*(each.url for each in gateways)) as people:
            await people.call_often(agent, 30)
        leases = [each.store.faulty("lease", fault=_yes) for each in gateways]
        with leases[0], leases[1]:
            await asyncio.sleep(0.5)  # the counts are flushed
            for each in (*gateways, *gateways):
                await each.gateway.alerting.watch.look()
        await until(lambda: asyncio.sleep(0, bool(told(plain, agent) and told(pager, agent))))
        await asyncio.sleep(1.2)  # another round of deliveries
    (event,), (page,) = told(plain, agent), told(pager, agent)
    assert (event["action"], event["state"], event["agent"]) == ("stable_failing", "firing", agent)
    assert "got no answer to 100 % of 30 calls in 5 min" in event["reason"] and "standin/bad" in event["reason"]
    assert event["do"] == f"Run 'serinus explain {agent}'." and event["url"] == f"https://gw.example.com/status/{agent}"
    assert (page["routing_key"], page["event_action"]) == ("pager-key", "trigger")
    assert page["dedup_key"] == f"serinus:stable_failing:{agent}" and page["payload"]["severity"] == "critical"


async def test_rejected_requests_alert_and_answers_of_a_fallback_are_said(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """What clients get comes first: errors that are nobody's failure, and failures that no client has seen."""
    async with place(tmp_path, redis_url, agent) as (gateways, _, _):
        saved = f"{agent}-saved"
        split = {agent: {"stable": "v2"}, saved: {"stable": "v1", "fallback": ["standin/good"]}}
        write(tmp_path, {"routing.yaml": {"agents": split}, f"agents/{saved}/v1.yaml": {"model": "standin/bad"}})
        write(tmp_path, {f"agents/{agent}/v2.yaml": {"model": "standin/rejecting"}})
        gateways[0].reload()
        async with crowd(gateways[0].url) as people:
            await people.call_often(agent, 12)
            await people.call_often(saved, 12)
        await asyncio.sleep(0.5)  # the counts are flushed
        with gateways[0].store.faulty("lease", fault=_yes):
            found = {each.subject: each.reason for each in await gateways[0].gateway.alerting.sources.over_all()}
    assert "clients got no answer to 100 % of 12 calls" in found[agent] and "failed 0 at first" in found[agent]
    assert "it fails 100 % of 12 calls in 5 min, but clients get answers" in found[saved]


async def _store_is(running: Running, ok: bool) -> bool:
    return running.gateway.services.controller.store_ok is ok


async def _yes(_: object) -> bool:
    return True


async def test_a_store_that_is_away_is_told_by_each_under_one_key(tmp_path: Path, redis_url: str, agent: str) -> None:
    """So that a receiver drops the second copy; and told again when it is back."""
    async with place(tmp_path, redis_url, agent) as (gateways, plain, _):
        for each in gateways:
            watch = each.gateway.alerting.watch
            watch.away_seconds = 0.0
            with each.store.faulty("epochs", "settle_alerts", "read", "probe", fault=deny):
                await until(partial(_store_is, each, False))
                await watch.look()
            await until(partial(_store_is, each, True))
            await watch.look()
        await until(lambda: asyncio.sleep(0, len(plain.bodies) == 4))
    assert len(set(plain.keys)) == 2 and {body["action"] for body in plain.bodies} == {"store_away"}
    assert [body["state"] for body in plain.bodies].count("over") == 2


async def test_many_at_once_are_one_notice(tmp_path: Path, redis_url: str, agent: str) -> None:
    """A dead provider with a dozen models is one sentence; PagerDuty groups by itself."""
    async with place(tmp_path, redis_url, agent) as (gateways, plain, pager):
        found = [Alert("provider_down", f"{agent}/{n}", "", "down", "Wait.") for n in range(12)]

        async def source() -> list[Alert]:
            return found

        gateways[0].gateway.alerting.watch._sources = (source,)
        await gateways[0].gateway.alerting.watch.look()
        await until(lambda: asyncio.sleep(0, len(told(pager, agent)) == 12 and bool(told(plain, agent))))
    (event,) = told(plain, agent)
    assert event["reason"].startswith("12 at once: ") and event["reason"].endswith("and 2 more")


async def test_a_refused_key_and_a_refused_configuration_are_told(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The provider is named, and the remedy; of the files the place, and not what stands there: it may be a secret."""
    async with place(tmp_path, redis_url, agent, alerts={"usd_per_day": 0.000001}) as (gateways, _, _):
        alerting = gateways[0].gateway.alerting
        problems = [Problem("gateway.yaml", line, "sk-planted", "unknown key 'sk-planted'") for line in (3, 4)]
        alerting.problem_place = lambda: ConfigProblems(problems).place
        found = {alert.kind: alert for alert in await alerting.sources.here()}
        assert set(found) == {"config_refused"}
        assert found["config_refused"].reason.endswith("stays in use: gateway.yaml:3 and 1 more")
        async with provider("another key") as locked:
            files = {"gateway.yaml": {"providers": {"standin": {"api": "openai", "base_url": locked.base_url}}}}
            write(tmp_path, files)
            gateways[0].reload()
            body = {"model": agent, "messages": [{"role": "user", "content": "hi"}]}
            assert (await ask(gateways[0].url, "POST", "/v1/chat/completions", json.dumps(body).encode())).status == 502
        found = {alert.kind: alert for alert in await alerting.sources.here()}
        assert found["provider_key_refused"].subject == "standin" and "api_key" in found["provider_key_refused"].do


async def test_spending_and_people_who_wait_are_told(tmp_path: Path, redis_url: str, agent: str) -> None:
    """What all agents cost today, over the configured amount; conversations that nobody has answered in time."""
    more: dict[str, Any] = {
        "alerts": {"usd_per_day": 0.001, "escalations": "1ms"}, "escalation": {"desk": True},
        "prices": [{"target": "standin/good", "from": "2020-01-01", "input": 100.0, "output": 100.0}],
    }  # fmt: skip
    async with place(tmp_path, redis_url, agent, **more) as (gateways, _, _):
        other = {"stable": "v1", "fallback": ["human"]}
        write(tmp_path, {"routing.yaml": {"agents": {agent: {"stable": "v2"}, f"{agent}-human": other}}})
        write(tmp_path, {f"agents/{agent}/v2.yaml": {"model": "standin/good"}})
        write(tmp_path, {f"agents/{agent}-human/v1.yaml": {"model": "standin/bad"}})
        gateways[0].reload()
        async with crowd(gateways[0].url) as people:
            await people.call_often(agent, 10)
            await people.call_often(f"{agent}-human", 2)
        with gateways[0].store.faulty("lease", fault=_yes):

            async def found() -> dict[str, Alert]:
                return {alert.kind: alert for alert in await gateways[0].gateway.alerting.sources.over_all()}

            async def are_there() -> bool:
                return {"spend", "escalations_waiting"} <= (await found()).keys()

            await until(are_there)
            alerts_found = await found()
    assert f"most by {agent}" in alerts_found["spend"].reason and "stable_failing" not in alerts_found
    assert "2 conversations wait" in alerts_found["escalations_waiting"].reason
