"""Limits that are exact: a refusal is true, and what a provider bills is counted, however a call ends."""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Any

import httpx2
import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.conftest import Serve
from tests.gateway.api.doors import DOORS, Door
from tests.support.calling import PROVIDERS, Place, eventually, failing
from tests.support.faulty_store import Operation, late
from tests.support.limiting import BEARER, PRICE, ledgers, limited

DEAR = {"target": "standin/dear", "from": "2026-01-01", "input": 1.0, "output": 200.0}
# A piece of the stand-in's streams bills a hundred tokens, and counts as one where no usage comes.
THINKING = ModelBehaviour(chunk_seconds=0.02, chunks=50, output_tokens=5_000)
SHORT = {"first_token": "300ms", "answer": "300ms", "between_chunks": "300ms"}
PLENTY = {"tokens": "1000000/1h"}


def billed(standin: Standin, *models: str) -> int:
    """Tokens that the stand-in has charged for."""
    books = [standin.counts(model) for model in models or ("good",)]
    return sum(each.prompt_tokens + each.completion_tokens for each in books)


async def count(here: Place) -> int:
    """Tokens that count, once no call runs."""
    (ledger,) = ledgers(here, "tokens")
    await eventually(lambda: here.standin.counts("good").open == 0)
    await eventually(lambda: not ledger.back)
    return ledger.used()


@pytest.mark.parametrize("beside", [8, 32])
async def test_a_refusal_is_true(serve: Serve, beside: int) -> None:
    """With many calls at a time none is refused while the limit has room: who comes later is not served either."""
    here = await serve(gateway=limited({"requests": "62/1h"}))
    served, refused, numbers = list[float](), list[float](), iter(range(90))

    async def work() -> None:
        for _ in numbers:
            begun = monotonic()
            status = (await here.chat(headers=BEARER)).status_code
            served.append(begun) if status == 200 else refused.append(monotonic())

    with here.running.store.faulty("grant", fault=late(0.02)):
        await asyncio.gather(*(work() for _ in range(beside)))
    assert (len(served), len(refused)) == (62, 28)
    assert max(served) < min(refused)


async def test_waiting_calls_share_a_question(serve: Serve) -> None:
    """Thirty calls that no lease carries ask the store a few times, and later ones not at all."""
    here, asked = await serve(gateway=limited({"requests": "100000/1h"})), list[str]()

    async def note(operation: Operation) -> Any:
        asked.append("grant")
        return await operation()

    with here.running.store.faulty("grant", fault=note):
        answers = await asyncio.gather(*(here.chat(headers=BEARER) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) <= 3


async def test_a_store_that_answers_late_refuses_nobody(serve: Serve) -> None:
    """A call that hears nothing in time is served and counted: 429 stands for a limit that is used up."""
    here = await serve(gateway=limited({"requests": "100/1h"}))
    assert (await here.chat(headers=BEARER)).status_code == 200
    with here.running.store.faulty("grant", fault=late(1.4)):
        answers = await asyncio.gather(*(here.chat(headers=BEARER) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    (ledger,) = ledgers(here, "requests")
    await eventually(lambda: ledger.used() == 31 and not ledger.charge)


async def test_a_store_that_is_back_is_asked_again(serve: Serve) -> None:
    """Also where every ledger had fallen asleep while it was away: no call is refused for ever."""
    here = await serve(gateway=limited({"requests": "100/1h", "on_store_loss": "refuse"}))
    leases = here.running.gateway.services.proxy.limits.leases
    with here.running.store.faulty("grant"):
        assert (await here.chat(headers=BEARER)).status_code == 503
        for ledger in leases.ledgers():
            ledger.used_at = -1e9
        assert (await here.chat(headers=BEARER)).status_code == 503
    await eventually(lambda: not leases.is_away)
    assert (await here.chat(headers=BEARER)).status_code == 200


async def test_a_long_call_is_counted_though_its_ledger_sleeps(serve: Serve) -> None:
    """What a call took beside a lease is told to the store, however long ago anybody asked."""
    here = await serve(gateway=limited({"requests": "100/1h"}))
    leases = here.running.gateway.services.proxy.limits.leases
    assert (await here.chat(headers=BEARER)).status_code == 200
    (ledger,) = ledgers(here, "requests")

    def is_asleep() -> bool:
        ledger.used_at = -1e9
        return not list(leases.ledgers())

    await eventually(is_asleep)
    ledger.take_beyond(7, 0.0)
    await eventually(lambda: (ledger.used(), ledger.charge) == (8, 0), within=15.0)


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("api", PROVIDERS)
async def test_a_client_that_leaves_pays_what_its_provider_bills(serve: Serve, door: Door, api: str) -> None:
    """Of a stream that is left, all that was generated by then counts: nobody says how much, but it takes time."""
    here = await serve(gateway=limited(PLENTY), api=api)
    here.standin.behave("good", THINKING)
    path, body = door.request(here.agent, stream=True)
    body |= {"max_tokens": 9_000} if "max_tokens" in body else {}
    async with here.http.stream("POST", here.running.url + path, json=body, headers=door.key) as answer:
        async for _ in answer.aiter_bytes():
            break
    assert await count(here) >= billed(here.standin) > 100


async def test_a_client_that_leaves_a_whole_answer_pays_its_estimate(serve: Serve) -> None:
    """A provider works on what it was asked to the end, whoever has gone."""
    here = await serve(gateway=limited(PLENTY))
    here.standin.behave("good", ModelBehaviour(latency_seconds=5))
    asked = asyncio.create_task(here.chat(headers=BEARER, max_tokens=3_000))
    await eventually(lambda: here.standin.counts("good").open == 1)
    asked.cancel()
    assert 3_000 <= await count(here) < 3_200


async def test_a_seen_stream_says_how_fast_a_target_is(serve: Serve) -> None:
    """A client that leaves pays for the time it stayed, by the fastest stream of its target, and not all it might."""
    here = await serve(gateway=limited(PLENTY))
    here.standin.behave("good", ModelBehaviour(chunk_seconds=0.01, chunks=64))
    assert (await here.chat(headers=BEARER, stream=True)).status_code == 200
    before = await count(here)
    url, body = f"{here.base_url}/chat/completions", here.body(stream=True, max_tokens=50_000)
    async with here.http.stream("POST", url, json=body, headers=BEARER) as answer:
        await anext(answer.aiter_bytes())
    assert 10 < await count(here) - before < 2_000


async def test_a_stream_of_an_unknown_speed_costs_its_estimate(serve: Serve) -> None:
    """A target of which no whole stream was seen may have generated everything before its client left."""
    here = await serve(gateway=limited(PLENTY))
    here.standin.behave("good", ModelBehaviour(chunks=2, output_tokens=3_000))
    body = here.body(stream=True, max_tokens=3_000)
    async with here.http.stream("POST", f"{here.base_url}/chat/completions", json=body, headers=BEARER) as answer:
        await anext(answer.aiter_bytes())
    assert 3_000 <= await count(here) < 3_200


@pytest.mark.parametrize(
    "fault", ["hang", "truncate", "clean_cut", "hang_mid_stream", "reset_mid_stream", "error_mid_stream"]
)
async def test_a_broken_answer_counts_what_may_be_billed(serve: Serve, fault: Any) -> None:
    """An answer that came too late or ended early has been worked on."""
    here = await serve(gateway=limited(PLENTY) | {"timeouts": SHORT})
    here.standin.behave("good", failing(fault, fault_after_chunks=3, **THINKING.model_dump(include={"output_tokens"})))
    with suppress(httpx2.TransportError):
        await here.chat(headers=BEARER, stream=True, max_tokens=9_000)
    assert await count(here) >= billed(here.standin)


async def test_a_fallback_waits_for_room(serve: Serve) -> None:
    """A dearer target needs more than the lease holds: the limit has it, so the call is served."""
    here = await serve(
        gateway=limited({"usd": {"24h": 1}, "unpriced": "refuse"}, prices=[PRICE, DEAR]),
        routing={"fallback": ["standin/dear"]},
    )
    here.standin.behave("good", failing("status", status=500))
    for _ in range(3):
        assert (await here.chat(headers=BEARER, max_tokens=1_500)).status_code == 200
    (ledger,) = ledgers(here, "usd")
    books = here.standin.counts("dear")
    cost = books.prompt_tokens * 1_000 + books.completion_tokens * 200_000
    await eventually(lambda: ledger.used() == cost)


async def test_a_hedge_counts_twice(serve: Serve) -> None:
    """Both attempts are billed: the answer by its usage, the one that was cancelled by its estimate."""
    here = await serve(
        gateway=limited({"tokens": "1000000/1h"}),
        routing={"fallback": ["standin/backup"], "hedge": {"after": "100ms", "budget": "50%"}},
    )
    here.standin.behave("good", ModelBehaviour(latency_seconds=5, output_tokens=900))
    answer = await here.chat(headers=BEARER, max_tokens=1_000)
    assert answer.headers["x-serinus-target"] == "standin/backup"
    assert await count(here) >= 1_000 + billed(here.standin, "backup")


async def test_a_hedge_is_not_made_without_room(serve: Serve) -> None:
    """A call that has used up the limit is waited for, and no second attempt is made."""
    here = await serve(
        gateway=limited({"tokens": "1100/1h"}),
        routing={"fallback": ["standin/backup"], "hedge": {"after": "50ms", "budget": "50%"}},
    )
    here.standin.behave("good", ModelBehaviour(latency_seconds=0.3))
    answer = await here.chat(headers=BEARER, max_tokens=1_000)
    assert answer.headers["x-serinus-target"] == "standin/good"
    assert here.standin.counts("backup").requests == 0


async def test_a_prompt_of_any_script_is_reserved(serve: Serve) -> None:
    """A version's prompt counts by its bytes, as a request does: one in Japanese takes a token a character."""
    here = await serve(gateway=limited({"tokens": "2500/1h"}), version={"system_prompt": "鳥" * 3_000})
    answer = await here.chat(headers=BEARER, max_tokens=1)
    assert (answer.status_code, "more than the limit" in answer.text) == (429, True)


@pytest.mark.parametrize(("config", "tokens"), [({"candidateCount": 4}, 4_000), ({}, 1_000)])
async def test_every_answer_that_is_asked_for_is_reserved(serve: Serve, config: Any, tokens: int) -> None:
    """Gemini's candidates, as the choices of OpenAI's API, cost as much each."""
    here = await serve(gateway=limited({"tokens": f"{tokens}/1h"}), api="gemini")
    path, body = DOORS["gemini"].request(here.agent)
    body |= {"generationConfig": {"maxOutputTokens": 1_000, **config}}
    answer = await here.http.post(here.running.url + path, json=body, headers=DOORS["gemini"].key)
    assert (answer.status_code, "more than the limit" in answer.text) == (429, True)


@pytest.mark.parametrize("level", ["conversation", "user", "group", "key"])
async def test_every_level_is_one_over_replicas(serve: Serve, agent: str, level: str) -> None:
    """Whichever replica a call meets, the third is refused: also of what clients name, a conversation or a user."""
    two, settings, routing = {"limits": {"requests": "2/1h"}}, limited({"in_flight": 9}), dict[str, Any]()
    (key,) = settings["keys"].values()
    if level == "conversation":
        routing = {"limits": {"conversation": {"calls": 2}}}
    elif level == "user":
        settings["end_users"] = two
    elif level == "group":
        key["group"], settings["groups"] = agent, {agent: two}
    else:
        key |= two
    replicas = [await serve(gateway=settings, routing=routing) for _ in range(2)]
    headers = {**BEARER, "x-conversation-id": agent}
    answers = [await here.chat(headers=headers, user=agent) for here in (*replicas, *replicas)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]


async def test_a_conversations_budget_is_one_over_replicas(serve: Serve, agent: str) -> None:
    """Two replicas spend it together: an agent in a loop is stopped, and no more was billed than it allows."""
    limits = {"limits": {"conversation": {"usd": 0.0002}, "unpriced": "refuse"}}
    settings = limited({"in_flight": 20})
    replicas = [await serve(gateway=settings, routing=limits) for _ in range(2)]
    headers = {**BEARER, "x-conversation-id": agent}
    calls = [here.chat(headers=headers, max_tokens=8) for here in replicas for _ in range(8)]
    statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    books = [here.standin.counts("good") for here in replicas]
    cost = sum(each.prompt_tokens * 1_000 + each.completion_tokens * 2_000 for each in books)
    assert set(statuses) == {200, 429}
    assert 0 < cost <= 200_000
