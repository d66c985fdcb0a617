"""Limits and budgets at the endpoints: which calls they count, and what clients are told."""

import asyncio
import hashlib
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import httpx2
import openai
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.gateway.api.doors import DOORS, HELLO, KEY, Door
from tests.support.calling import Place, eventually, failing
from tests.support.clients import run
from tests.support.limiting import BEARER, NANO, PRICE, ledgers, limited
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
FORM = {"files": {"file": ("a.wav", b"x")}}
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
SAID: list[Any] = HELLO


# Every endpoint that asks a provider: method, path, and what is sent; `agent` stands for the agent's name.
ENDPOINTS: dict[str, tuple[str, str, Any]] = {
    "chat": ("POST", "/v1/chat/completions", {"model": "agent", "messages": HELLO}),
    "responses": ("POST", "/v1/responses", {"model": "agent", "input": "hello"}),
    "messages": ("POST", "/v1/messages", {"model": "agent", "messages": HELLO, "max_tokens": 9}),
    "gemini": ("POST", "/v1beta/models/agent:generateContent", DOORS["gemini"].body),
    "interactions": ("POST", "/v1beta/interactions", {"model": "agent", "input": "hello"}),
    "completions": ("POST", "/v1/completions", {"model": "agent", "prompt": "hello"}),
    "embeddings": ("POST", "/v1/embeddings", {"model": "agent", "input": "hello"}),
    "images": ("POST", "/v1/images/generations", {"model": "agent", "prompt": "a bird"}),
    "speech": ("POST", "/v1/audio/speech", {"model": "agent", "input": "hi", "voice": "alloy"}),
    "transcription": ("POST", "/v1/audio/transcriptions", {"model": "agent", **FORM}),
    "moderation": ("POST", "/v1/moderations", {"model": "agent", "input": "hello"}),
    "files": ("POST", "/v1/files", {"purpose": "batch", **FORM}),
    "file list": ("GET", "/v1/files", None),
    "uploads": ("POST", "/v1/uploads", {"purpose": "batch", "bytes": 1, "filename": "a", "mime_type": "text/plain"}),
    "batches": ("POST", "/v1/batches", {"input_file_id": "file-1", "endpoint": "/v1/responses"}),
    "stored response": ("GET", "/v1/responses/resp_1?model=agent", None),
    "pass-through": ("POST", "/v1/vector_stores", {"name": "a"}),
}


async def ask(here: Place, name: str, more: Mapping[str, Any] = MappingProxyType({})) -> httpx2.Response:
    """Ask one of the endpoints, with more members in its body."""
    method, path, body = ENDPOINTS[name]
    url = here.running.url + path.replace("agent", here.agent)
    if body is None:
        return await here.http.request(method, url, headers=BEARER)
    body = {key: here.agent if value == "agent" else value for key, value in {**body, **more}.items()}
    if files := body.pop("files", None):
        return await here.http.request(method, url, headers=BEARER, data=body, files=files)
    return await here.http.request(method, url, headers=BEARER, json=body)


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_every_endpoint_counts_a_request(serve: Serve, name: str) -> None:
    """A key's one request an hour is used up by any endpoint, and no provider hears of the second one."""
    here = await serve(gateway=limited({"requests": "1/1h"}))
    assert (await ask(here, name)).status_code < 429
    asked = len(here.standin.requests)
    assert (await ask(here, name)).status_code == 429
    assert len(here.standin.requests) == asked


# Endpoints that run a model of an agent, and those of them whose requests cannot name an end user.
RUNNING = (
    "chat", "responses", "messages", "gemini", "interactions", "completions", "embeddings", "images", "speech",
    "transcription", "moderation",
)  # fmt: skip
WITHOUT_USERS = ("gemini", "interactions", "transcription")


@pytest.mark.parametrize("level", ["group", "agent", "user"])
@pytest.mark.parametrize("name", RUNNING)
async def test_every_level_holds_at_every_endpoint(serve: Serve, agent: str, name: str, level: str) -> None:
    """A request that a group, an agent or an end user has left is used up by any endpoint that runs a model."""
    one, settings = {"limits": {"requests": "1/1h"}}, limited({"in_flight": 9})
    if level == "group":
        next(iter(settings["keys"].values()))["group"] = agent
        settings["groups"] = {agent: one}
    elif level == "user":
        settings["end_users"] = one
    here = await serve(gateway=settings, routing=one if level == "agent" else {})
    user: dict[str, Any] = {"metadata": {"user_id": agent}} if name == "messages" else {"user": agent}
    more = user if level == "user" and name not in WITHOUT_USERS else {}
    statuses = [(await ask(here, name, more)).status_code for _ in range(2)]
    assert statuses[0] < 429
    assert statuses[1] == 429 or (level == "user" and not more)


@pytest.mark.parametrize("name", [*(name for name in ENDPOINTS if ENDPOINTS[name][0] == "POST")])
async def test_every_endpoint_that_runs_a_model_needs_room_in_the_budget(serve: Serve, name: str) -> None:
    """Where nothing is left, what would run a model is refused; what only stores is not."""
    here = await serve(gateway=limited({"usd": {"24h": 0.000000001}, "unpriced": "refuse"}))
    status = (await ask(here, name)).status_code
    stores = name in ("files", "uploads", "pass-through")
    assert (status not in (403, 429)) if stores else status == (403 if name == "batches" else 429)


async def test_each_response_of_a_socket_is_a_request(serve: Serve) -> None:
    """The second one is refused by an event with the limit's status and headers; the socket stays open."""
    here = await serve(gateway=limited({"requests": "1/1h"}))
    ends = []
    async with socket(f"{here.base_url}/responses", BEARER) as line:
        for _ in range(2):
            line.create(here.agent, input="hello")
            while (event := await line.event())["type"] not in ("response.completed", "error"):
                pass
            ends.append(event)
    assert [end["type"] for end in ends] == ["response.completed", "error"]
    assert (ends[1]["status"], ends[1]["error"]["code"]) == (429, "rate_limit_exceeded")
    assert ends[1]["headers"]["x-ratelimit-limit-requests"] == "1"


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
async def test_each_format_says_whose_limit_it_is_and_when_it_frees(serve: Serve, door: Door) -> None:
    """The body is the format's own; the message names level, limit and time, and the SDK's headers say when."""
    here = await serve(gateway=limited({"requests": "1/1h"}))
    path, body = door.request(here.agent)
    answers = [await here.http.post(here.running.url + path, json=body, headers=door.key) for _ in range(2)]
    said = answers[1].json()["error"]
    assert answers[1].status_code == 429
    assert re.search(r"the limit of key app-\w+ is used up: 1 requests in 1h; room for this call", said["message"])
    assert 3600 <= int(answers[1].headers["retry-after"]) < 3700
    assert 3_600_000 <= int(answers[1].headers["retry-after-ms"]) < 3_700_000


async def test_openais_headers_of_a_rate_limit(serve: Serve) -> None:
    """Limit, remaining and reset of what was reached, as OpenAI writes them."""
    here = await serve(gateway=limited({"tokens": "10/1h"}))
    answer = await here.chat(headers=BEARER, max_tokens=1)
    assert answer.status_code == 429
    assert answer.json()["error"] | {"message": ""} == {
        "message": "", "type": "tokens", "param": None, "code": "rate_limit_exceeded",
    }  # fmt: skip
    assert answer.headers["x-ratelimit-limit-tokens"] == answer.headers["x-ratelimit-remaining-tokens"] == "10"
    assert answer.headers["x-should-retry"] == "false", "no wait makes room for a call that is larger than the limit"


async def test_anthropics_headers_of_a_rate_limit(serve: Serve) -> None:
    """A reset is a time, as RFC 3339 writes it."""
    here = await serve(gateway=limited({"requests": "1/1h"}))
    path, body = DOORS["anthropic"].request(here.agent)
    for _ in range(2):
        answer = await here.http.post(here.running.url + path, json=body, headers=DOORS["anthropic"].key)
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}Z", answer.headers["anthropic-ratelimit-requests-reset"])


async def test_geminis_error_of_a_rate_limit(serve: Serve) -> None:
    """RESOURCE_EXHAUSTED, with the delay as RetryInfo."""
    here = await serve(gateway=limited({"requests": "1/1h"}))
    path, body = DOORS["gemini"].request(here.agent)
    for _ in range(2):
        answer = await here.http.post(here.running.url + path, json=body, headers=DOORS["gemini"].key)
    error = answer.json()["error"]
    delay = next(each["retryDelay"] for each in error["details"] if each["@type"].endswith("RetryInfo"))
    assert error["status"] == "RESOURCE_EXHAUSTED" and re.fullmatch(r"36\d\d\.\d+s", delay)


async def test_the_openai_sdk_repeats_a_rate_limit_and_no_budget(serve: Serve) -> None:
    """Both are its RateLimitError; a spent budget is asked for once, whatever `max_retries` says."""
    here = await serve(gateway=limited({"usd": {"24h": 0.000000001}, "unpriced": "refuse"}))
    with pytest.raises(openai.RateLimitError) as raised:
        await here.sdk(max_retries=2).chat.completions.create(model=here.agent, messages=SAID)
    assert raised.value.code == raised.value.type == "insufficient_quota"
    assert here.running.gateway.services.refusals.counts == {"429 insufficient_quota": 1}


async def test_the_openai_sdk_waits_as_long_as_a_limit_says(serve: Serve) -> None:
    """Calls in flight are a limit that frees soon: the SDK comes again after a second, and is served."""
    here = await serve(gateway=limited({"in_flight": 1}))
    here.standin.behave("good", ModelBehaviour(latency_seconds=0.5))
    sdk = here.sdk(max_retries=2)
    asked = [sdk.chat.completions.create(model=here.agent, messages=SAID) for _ in range(2)]
    assert [answer.choices[0].finish_reason for answer in await asyncio.gather(*asked)] == ["stop", "stop"]
    assert here.running.gateway.services.refusals.counts == {"429 rate_limit_exceeded": 1}


async def test_the_anthropic_sdk_repeats_no_budget(serve: Serve) -> None:
    """Its RateLimitError, once."""
    here = await serve(gateway=limited({"usd": {"24h": 0.000000001}, "unpriced": "refuse"}))
    assert await run("with_limits.py", here) == ["RateLimitError", 429]
    assert here.running.gateway.services.refusals.counts == {"429 insufficient_quota": 1}


async def test_a_call_costs_what_it_took(serve: Serve) -> None:
    """Its estimate is reserved while it runs; what counts afterwards is its cost, to the nano-dollar."""
    here = await serve(gateway=limited({"usd": {"24h": 1}, "unpriced": "refuse"}))
    answer = await here.chat(headers=BEARER, max_tokens=100_000)
    nano = round(float(answer.headers["x-serinus-cost-usd"]) * NANO)
    (ledger,) = ledgers(here, "usd")
    await eventually(lambda: ledger.used() == nano and not ledger.back)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_gives_the_estimate_back(serve: Serve, stream: bool) -> None:
    """A provider that fails bills nothing; the request counts all the same."""
    here = await serve(gateway=limited({"usd": {"24h": 1}, "requests": "10/1h", "unpriced": "refuse"}))
    here.standin.behave("good", failing("status", status=500))
    assert (await here.chat(headers=BEARER, stream=stream)).status_code >= 500
    (spent,), (requests,) = ledgers(here, "usd"), ledgers(here, "requests")
    await eventually(lambda: (spent.used(), requests.used()) == (0, 1))


async def test_a_model_without_a_price_is_refused_where_a_budget_says_so(serve: Serve) -> None:
    """`unpriced: refuse` keeps out what nobody can count; `count_tokens` leaves it out of the budget."""
    budget = {"usd": {"24h": 1}, "tokens": "100000/1h"}
    here = await serve(gateway=limited({**budget, "unpriced": "refuse"}, prices=[]))
    refused = await here.chat(headers=BEARER)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "unpriced_model")


async def test_a_model_without_a_price_counts_its_tokens(serve: Serve) -> None:
    """With `count_tokens` the budget in USD does not hold it back, and its tokens count."""
    budget = {"usd": {"24h": 0.000000001}, "tokens": "100000/1h", "unpriced": "count_tokens"}
    here = await serve(gateway=limited(budget, prices=[]))
    assert (await here.chat(headers=BEARER)).status_code == 200
    (ledger,) = ledgers(here, "tokens")
    await eventually(lambda: ledger.used() > 0)


async def test_a_refusal_is_no_call_of_a_version(serve: Serve) -> None:
    """It is counted as refused, and nothing of it is booked on the version or its target's circuit."""
    here = await serve(gateway=limited({"requests": "1/1h"}))
    for _ in range(5):
        await here.chat(headers=BEARER)
    books = await here.books()
    assert (books.requests, books.errors) == (1, 0)
    assert here.running.gateway.services.proxy.attempts.circuits.states() == {}


async def test_a_soft_share_is_logged_once(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """When it is reached, and not with every call after it."""
    here = await serve(gateway=limited({"requests": "5/1h", "soft": "40%"}))
    for _ in range(5):
        await here.chat(headers=BEARER)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if '"limit_soft"' in line]
    (line,) = lines
    assert (line["kind"], line["window"]) == ("requests", "1h") and 0.4 <= line["used"] < 1


async def test_a_conversation_in_a_loop_is_stopped(serve: Serve) -> None:
    """Its third call is refused, in words that name no id; another conversation goes on."""
    conversation = {"limits": {"conversation": {"calls": 2}}}
    here = await serve(gateway=limited({"in_flight": 9}), routing=conversation)
    one, other = ({**BEARER, "x-conversation-id": f"{name}-{uuid.uuid4()}"} for name in ("one", "other"))
    statuses = [(await here.chat(headers=one)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert f"this conversation with {here.agent}" in (await here.chat(headers=one)).json()["error"]["message"]
    assert (await here.chat(headers=other)).status_code == 200


async def test_each_end_user_has_limits_of_their_own(serve: Serve) -> None:
    """One user's limit is not another's; who names nobody has none."""
    here = await serve(gateway=limited({"in_flight": 9}, end_users={"limits": {"requests": "1/1h"}}))
    one, other = uuid.uuid4().hex, uuid.uuid4().hex
    users: list[dict[str, str]] = [{"user": one}, {"user": one}, {"user": other}, {}, {}]
    assert [(await here.chat(headers=BEARER, **user)).status_code for user in users] == [200, 429, 200, 200, 200]


async def test_keys_of_a_group_share_its_limit(serve: Serve) -> None:
    """Whoever of the group calls, the group's two requests are two."""
    group = f"g-{uuid.uuid4().hex[:8]}"
    digests = [hashlib.sha256(key.encode()).hexdigest() for key in (KEY, "other")]
    keys = {f"app{index}": {"sha256": digest, "group": group} for index, digest in enumerate(digests)}
    here = await serve(gateway={"keys": keys, "groups": {group: {"limits": {"requests": "2/1h"}}}})
    callers = [BEARER, {"authorization": "Bearer other"}, BEARER]
    assert [(await here.chat(headers=headers)).status_code for headers in callers] == [200, 200, 429]


async def test_an_agents_limit_holds_whoever_calls(serve: Serve) -> None:
    """It needs no key."""
    here = await serve(routing={"limits": {"requests": "1/1h"}})
    assert [(await here.chat()).status_code for _ in range(2)] == [200, 429]


async def test_a_fallback_needs_room_of_its_own(serve: Serve) -> None:
    """A dearer target is not asked with money that was reserved for a cheap one."""
    dear = {"target": "standin/dear", "from": "2026-01-01", "input": 1.0, "output": 2_000.0}
    here = await serve(
        gateway=limited({"usd": {"24h": 0.01}, "unpriced": "refuse"}, prices=[PRICE, dear]),
        routing={"fallback": ["standin/dear"]},
    )
    here.standin.behave("good", failing("status", status=500))
    answer = await here.chat(headers=BEARER, max_tokens=1000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota")
    assert {json.loads(each.raw_body)["model"] for each in here.standin.requests} == {"good"}


@pytest.mark.parametrize(("rule", "status"), [("serve", 200), ("refuse", 503)])
async def test_a_store_that_is_away(serve: Serve, rule: str, status: int) -> None:
    """Calls are served and counted afterwards, or refused as ours, as the key's limits say."""
    here = await serve(gateway=limited({"requests": "100/1h", "on_store_loss": rule}))
    with here.running.store.faulty("grant"):
        answer = await here.chat(headers=BEARER)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == "store_unavailable"


async def test_a_store_that_is_back_is_asked_though_nobody_was_let_in_meanwhile(serve: Serve) -> None:
    """Calls are refused without a question while it is away: the limits ask by themselves, also after a long outage."""
    here = await serve(gateway=limited({"requests": "100/1h", "on_store_loss": "refuse"}))
    with here.running.store.faulty("grant"):
        assert (await here.chat(headers=BEARER)).status_code == 503
        for each in ledgers(here, "requests"):
            each.used_at = -1e9  # as long ago as that nothing is kept ready for it
        await asyncio.sleep(0.3)
    leases = here.running.gateway.services.proxy.limits.leases
    await eventually(lambda: not leases.is_away)
    assert (await here.chat(headers=BEARER)).status_code == 200


async def test_a_key_is_told_what_it_has_left(serve: Serve) -> None:
    """`GET /keys/self`: scope and limits, of all replicas; a calendar window says when it ends."""
    here = await serve(gateway=limited({"requests": "10/day", "usd": {"24h": 0.5}, "unpriced": "refuse"}))
    answer = await here.chat(headers=BEARER)
    spent = float(answer.headers["x-serinus-cost-usd"])
    told: dict[str, Any] = {}

    async def look() -> bool:
        told.update((await here.http.get(f"{here.running.url}/keys/self", headers=BEARER)).json())
        return bool(told["limits"][1]["used"] == spent)

    await until(look)
    requests, budget = told["limits"]
    assert told["agents"] is None and told["name"] == requests["name"]
    assert (requests["limit"], requests["used"], requests["left"]) == (10, 1, 9)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT00:00:00Z", requests["resets_at"])
    assert (budget["limit"], budget["used"], budget["left"]) == (0.5, spent, pytest.approx(0.5 - spent))
    assert (await here.http.get(f"{here.running.url}/keys/self")).status_code == 401


async def test_a_rotated_key_shares_its_limits(serve: Serve) -> None:
    """The new key and the old one are one caller, with one limit; it is told the day on which they end."""
    settings = limited({"requests": "2/1h"})
    (key,) = settings["keys"].values()
    key |= {"sha256s": [hashlib.sha256(b"new").hexdigest()], "expires": "2999-12-31"}
    here = await serve(gateway=settings)
    new = {"authorization": "Bearer new"}
    assert [(await here.chat(headers=headers)).status_code for headers in (BEARER, new, BEARER)] == [200, 200, 429]
    assert (await here.http.get(f"{here.running.url}/keys/self", headers=new)).json()["expires"] == "2999-12-31"


async def test_an_expired_key_is_refused(serve: Serve) -> None:
    """With 401, at every endpoint, before anything is counted."""
    settings = limited({"requests": "2/1h"})
    next(iter(settings["keys"].values()))["expires"] = "2020-01-01"
    here = await serve(gateway=settings)
    answers = [await ask(here, name) for name in ENDPOINTS]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers[:2]} == {
        (401, "expired_api_key")
    }
    assert {answer.status_code for answer in answers} == {401}


async def test_metrics_of_limits(serve: Serve) -> None:
    """Refusals by level and kind, and the used share of each limit; no user's name."""
    here = await serve(gateway=limited({"requests": "1/1h"}, end_users={"limits": {"requests": "9/1h"}}))
    for _ in range(2):
        await here.chat(headers=BEARER, user="somebody")
    text = (await here.http.get(f"{here.running.url}/metrics", headers=ADMIN)).text
    assert 'serinus_limited_total{level="key",kind="requests"} 1' in text
    assert re.search(r'serinus_budget_used_ratio{level="key",name="app-\w+",kind="requests",window="1h"} 1', text)
    assert "somebody" not in text and 'level="user"' not in text
