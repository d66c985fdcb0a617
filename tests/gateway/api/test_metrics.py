"""`GET /metrics` of a running gateway: what calls and rollouts show, who may read it, and what never stands in it."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from gateway.api.metric_gauges import RolloutGauges
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.telemetry.families import FAMILIES
from tests.support.crowd import ask, crowd
from tests.support.evaluation_records import SUITE, record
from tests.support.judging import judging, with_judge
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

SCRAPE = ("accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5",)
SECRET = "sk-planted-7f3a"
METRICS_TOKEN = "a-token-for-scrapes"
Read = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour(error_rate=1.0)) as made:
        yield made


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    """A trial of a canary that always fails, with a fallback that does not."""
    files = trial(agent, standin, fallback=["standin/good"])
    price = {"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}
    files["gateway.yaml"] = {
        "providers": {
            "standin": {"api": "openai", "base_url": standin.base_url},
            "dead": {"api": "openai", "base_url": "http://127.0.0.1:1/v1"},
        },
        "retries": {"per_target": 0}, "prices": [price], "models": ["dead/*"],
    }  # fmt: skip
    async with running(write(tmp_path, files), redis_url) as served:
        yield served


async def scrape(served: Running, *headers: str) -> Read:
    """All samples by name and label values, `agent` left out: there is one."""
    reply = await ask(served.url, "GET", "/metrics", headers=headers or SCRAPE)
    assert reply.status == 200, reply.body
    read = read_openmetrics if reply.headers["content-type"].startswith("application/openmetrics") else read_plain
    found: Read = {}
    for family in read(reply.body.decode()):
        for sample in family.samples:
            labels = tuple(value for name, value in sample.labels.items() if name != "agent")
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def test_calls_and_their_attempts(served: Running, agent: str) -> None:
    """What crowds of callers got: calls by version and end, attempts by target, fallbacks, cost."""
    async with crowd(served.url) as people:
        await people.call_often(agent, 20)
    read = await scrape(served)
    calls = read["serinus_calls_total"]
    assert sum(calls.values()) == 20 and {labels[2:] for labels in calls} == {("open", "openai", "answered")}
    failed = sum(n for labels, n in read["serinus_attempts_total"].items() if labels[-1] == "status")
    assert failed == read["serinus_fallbacks_total"]["standin/bad", "standin/good", "status"] > 0
    assert sum(read["gen_ai_client_operation_duration_seconds_count"].values()) == 20 + failed
    assert sum(read["serinus_cost_usd_total"].values()) > 0 and sum(read["serinus_unpriced_calls_total"].values()) == 0
    decisions = read["serinus_rollout_decisions_total"]
    assert decisions["start",] == 1 and ("roll_back",) in decisions


async def test_a_rollout(served: Running, agent: str) -> None:
    """Its versions, phase, weight, step, evidence and its threshold, limits."""
    read = await scrape(served)
    assert read["serinus_rollout_info"] == {("v1", "v2"): 1} and read["serinus_rollout_phase"] == {("running",): 1}
    assert read["serinus_rollout_weight_ratio"] == {(): 0.5} and read["serinus_rollout_step"] == {(): 1}
    assert read["serinus_rollout_evidence_threshold_log10"] == {(): 2}
    assert read["serinus_rollout_split_mismatch"] == {(): 0} and read["serinus_rollout_limit"]


async def test_the_gateway_itself(served: Running) -> None:
    """Store, configuration, calls in flight, version."""
    read = await scrape(served)
    assert read["serinus_store_up"] == {(): 1} and read["serinus_config_problems"] == {(): 0}
    assert read["serinus_in_flight"] == {(): 0} and read["serinus_notices_pending"] == {(): 0}
    assert read["serinus_config_loaded_timestamp_seconds"][()] == pytest.approx(served.gateway.services.loaded_at)
    served.gateway.services.config_error = lambda: "gateway.yaml:1: one\nrouting.yaml:2: two"
    assert (await scrape(served))["serinus_config_problems"] == {(): 2}


async def test_refusals_of_our_own(served: Running, agent: str) -> None:
    """By status and code; what was asked for is no label."""
    for _ in range(2):
        await ask(served.url, "POST", "/v1/chat/completions", f'{{"model": "{agent}@v9", "messages": []}}'.encode())
    await ask(served.url, "POST", "/v1/chat/completions", b"no JSON")
    refused = (await scrape(served))["serinus_refused_total"]
    assert refused == {("404", "model_not_found"): 2, ("400", "invalid_json"): 1}


async def test_records_that_were_dropped(served: Running) -> None:
    """Calls that nobody will find, and texts that were to be recorded."""
    writer = served.gateway.services.traces.writer
    assert (await scrape(served))["serinus_records_dropped_total"] == {("call",): 0, ("content",): 0}
    writer.dropped, writer.contents.dropped = 3, 2
    assert (await scrape(served))["serinus_records_dropped_total"] == {("call",): 3, ("content",): 2}


async def test_handovers_that_wait(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """Conversations without a person's reply."""
    files = trial(agent, standin)
    files["routing.yaml"] = {"agents": {agent: {"stable": "v2", "fallback": ["human"]}}}
    files["gateway.yaml"] = {**files["gateway.yaml"], "escalation": {"desk": True}}  # type: ignore[dict-item]
    async with running(write(tmp_path, files), redis_url) as served:
        assert (await scrape(served))["serinus_handovers_waiting"] == {(): 0}
        async with crowd(served.url) as people:
            await people.call_often(agent, 3)
        gauges = RolloutGauges(served.gateway.services)
        assert (await gauges.samples())["serinus_handovers_waiting"] == {(agent,): [3]}


@pytest.mark.parametrize("verdict", ["passed", "failed", "too_few_cases", "missing"])
async def test_verdict_on_record(tmp_path: Path, redis_url: str, agent: str, standin: Standin, verdict: str) -> None:
    """Of a canary that needs an evaluation; without a good one its rollout is pending."""
    folder = write(tmp_path, trial(agent, standin, evaluation={"suite": SUITE}))
    if verdict != "missing":
        record(folder, agent, verdict=verdict)
    async with running(folder, redis_url) as served:
        read = await scrape(served)
    assert read["serinus_eval_verdict"] == {("v2", verdict): 1}
    assert read["serinus_rollout_phase"] == {("running" if verdict == "passed" else "pending",): 1}


async def test_a_judge_that_grades_nothing(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Its counts begin at 0, dropped calls have a reason, and the share that it is to grade is known."""
    dropped = [(reason,) for reason in ("queue_full", "taken", "paused", "spent", "failed", "store_away")]
    async with provider(judge=judging()) as standin:
        folder = with_judge(tmp_path, agent, standin, "10%", target="standin/unpriced", sample="50%")
        async with running(folder, redis_url) as served, crowd(served.url) as people:
            before = await scrape(served)

            async def are_dropped() -> bool:
                await people.call_often(agent, 10)  # a sample of them
                return sum((await scrape(served))["serinus_judge_dropped_total"].values()) > 2

            await until(are_dropped)
            read = await scrape(served)
    assert before["serinus_judge_sample_ratio"] == {(): pytest.approx(0.2)}
    assert before["serinus_judge_dropped_total"] == dict.fromkeys(dropped, 0)
    assert read["serinus_judge_dropped_total"]["paused",] > 0
    ends = [(version, end) for version in ("v1", "v2") for end in ("passed", "failing", "undecided", "failed")]
    assert read["serinus_judge_calls_total"] == dict.fromkeys(ends, 0)


async def test_both_formats_say_the_same(served: Running, agent: str) -> None:
    """Prometheus chooses one, curl and a browser get plain text."""
    async with crowd(served.url) as people:
        await people.call_often(agent, 3)
    openly, plain = await scrape(served), await scrape(served, "accept: */*")
    assert openly["serinus_calls_total"] == plain["serinus_calls_total"]
    assert openly.keys() == plain.keys() <= {name for f in FAMILIES for name in _sample_names(f.name)}


def _sample_names(name: str) -> list[str]:
    return [name, *(f"{name}_{part}" for part in ("bucket", "count", "sum"))]


async def test_names_that_clients_write_are_no_labels(served: Running) -> None:
    """Neither a made-up model, nor an id of a conversation, nor a key, nor what a provider says of them."""
    for number in range(20):
        body = f'{{"model": "dead/{SECRET}-{number}", "messages": [{{"role": "user", "content": "{SECRET}"}}]}}'
        headers = (f"x-request-id: {SECRET}", f"x-conversation-id: {SECRET}", "content-type: application/json")
        await ask(served.url, "POST", "/v1/chat/completions", body.encode(), headers)
    reply = await ask(served.url, "GET", "/metrics")
    assert SECRET.encode() not in reply.body
    assert sum((await scrape(served))["serinus_calls_total"].values()) == 20


async def test_a_store_that_is_away_fails_no_scrape(served: Running) -> None:
    """Calls are counted in this process; what only the store knows is left out."""
    with served.store.faulty("snapshot", "pending_notices"):
        read = await scrape(served)
    assert "serinus_notices_pending" not in read and read["serinus_rollout_weight_ratio"] == {(): 0.5}


async def test_many_scrapes_read_the_store_once(served: Running) -> None:
    """However many ask at the same time."""
    gauges, before = RolloutGauges(served.gateway.services), served.store.calls["pending_notices"]
    for _ in range(5):
        await gauges.samples()
    assert served.store.calls["pending_notices"] == before + 1


@pytest.fixture
async def locked(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    """A gateway with a caller's key and a metrics token."""
    files = trial(agent, standin)
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "keys": {"web": {"sha256": hashlib.sha256(b"a-key").hexdigest()}},
        "metrics_token_sha256": hashlib.sha256(METRICS_TOKEN.encode()).hexdigest(),
    }
    async with running(write(tmp_path, files), redis_url) as served:
        yield served


@pytest.mark.parametrize("token", [METRICS_TOKEN, ADMIN_TOKEN])
async def test_a_token_opens_it(locked: Running, token: str) -> None:
    """The monitoring system's own, or the operator's."""
    assert (await ask(locked.url, "GET", "/metrics", headers=(f"authorization: Bearer {token}",))).status == 200


@pytest.mark.parametrize("headers", [(), ("authorization: Bearer a-key",), ("authorization: Bearer no",)])
async def test_a_callers_key_does_not(locked: Running, headers: tuple[str, ...]) -> None:
    """The numbers are those of all agents and keys."""
    reply = await ask(locked.url, "GET", "/metrics", headers=headers)
    assert reply.status == 401 and b"metrics token" in reply.body


@pytest.mark.parametrize("path", ["/status", "/v1/models"])
async def test_the_metrics_token_opens_nothing_else(locked: Running, path: str) -> None:
    """It may stand in the files of a monitoring system."""
    token = f"authorization: Bearer {METRICS_TOKEN}"
    assert (await ask(locked.url, "GET", path, headers=(token,))).status == 401
