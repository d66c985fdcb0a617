"""A second attempt beside a late first one: who answers, who is cancelled, what it costs, and when there is none."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.status_view import VersionView
from tests.conftest import Serve
from tests.support.calling import HELLO, Place, events, eventually, failing, standing_in

CHEEPS, TWEETS = "cheep " * 8, "tweet " * 8
AT_ONCE = 0.1  # seconds within which a loser's connection is closed
HEDGE = {"after": "100ms", "budget": "50%"}
HEDGED = {"fallback": ["standin/backup"], "hedge": HEDGE}
SLOW = ModelBehaviour(latency_seconds=5.0)
BACKUP = ModelBehaviour(chunk_text="tweet ")
# The models that answer and those that answer late speak the same wire format, or two.
CHAINS: dict[str, dict[str, Any]] = {
    "same format": {"routing": HEDGED},
    "openai to anthropic": {
        "api": "anthropic",
        "version": {"model": "standin/good"},
        "routing": {"fallback": ["standin-anthropic/backup"], "hedge": HEDGE},
    },
    "anthropic to openai": {"api": "anthropic", "version": {"max_tokens": 100}, "routing": HEDGED},
}
PRICES = [
    {"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0},
    {"target": "standin/backup", "from": "2020-01-01", "input": 10.0, "output": 20.0},
]


def late(seconds: float, **more: Any) -> ModelBehaviour:
    return ModelBehaviour(latency_seconds=seconds, **more)


def said(answer: httpx2.Response) -> str:
    """The text of an answer, whole or streamed."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return str(answer.json()["choices"][0]["message"]["content"])
    parts = [each for each in events(answer.content) if each != "[DONE]" and each["choices"]]
    return "".join(part["choices"][0]["delta"].get("content") or "" for part in parts)


def served_by(answer: httpx2.Response) -> tuple[int, str, str]:
    """Its status, the model that answered, and how many attempts there were."""
    headers = answer.headers
    return answer.status_code, headers["x-serinus-target"].partition("/")[2], headers["x-serinus-attempts"]


def hedges(books: VersionView) -> tuple[int, int, int]:
    """The calls that were hedged, those that the hedge answered, and those that fell back."""
    return books.hedges, books.hedges_won, books.fallbacks


def good_calls(books: VersionView) -> tuple[int, int]:
    return books.errors, books.unjudged


async def cancelled(here: Place, model: str) -> None:
    """Wait for the stand-in to see that its client has left, no longer than a loser may live."""
    await eventually(lambda: here.standin.counts(model).cancelled == 1, within=AT_ONCE)
    assert here.standin.counts(model).open == 0


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("chain", CHAINS)
async def test_a_late_attempt_is_overtaken(serve: Serve, chain: str, stream: bool) -> None:
    """The client gets the next target's answer; the late one is cancelled at once: no error, and no fallback."""
    here = await serve(**CHAINS[chain])
    here.standin.behave("good", SLOW)
    here.standin.behave("backup", BACKUP)
    answer = await here.chat(stream=stream)
    await cancelled(here, "good")
    assert (said(answer), served_by(answer)) == (TWEETS, (200, "backup", "2"))
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 1, 0), (0, 0))


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("chain", CHAINS)
async def test_a_late_attempt_that_is_first_after_all(serve: Serve, chain: str, stream: bool) -> None:
    """Its answer is the client's, and the second attempt is cancelled."""
    here = await serve(**CHAINS[chain])
    here.standin.behave("good", late(0.3))
    here.standin.behave("backup", SLOW)
    answer = await here.chat(stream=stream)
    await cancelled(here, "backup")
    assert (said(answer), served_by(answer)) == (CHEEPS, (200, "good", "2"))
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 0, 0), (0, 0))


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_an_attempt_in_time_is_alone(serve: Serve, stream: bool) -> None:
    """Nobody else is asked, and a stream may then take its time."""
    here = await serve(routing=HEDGED)
    here.standin.behave("good", ModelBehaviour(chunk_seconds=0.03))
    assert served_by(await here.chat(stream=stream)) == (200, "good", "1")
    assert here.standin.counts("backup").requests == 0
    assert hedges(await here.books()) == (0, 0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_both_are_paid_for(serve: Serve, stream: bool) -> None:
    """The winner as its provider says; the loser for the prompt that its provider has, at its own price."""
    here = await serve(routing=HEDGED, gateway={"prices": PRICES})
    here.standin.behave("good", SLOW)
    answer = await here.chat(stream=stream)
    books, paid = await here.books(), here.standin.counts("backup")
    lost = next(each for each in here.standin.requests if json.loads(each.raw_body)["model"] == "good")
    estimate = len(lost.raw_body) // 4 + 1
    assert books.tokens.input == paid.prompt_tokens + estimate
    assert books.tokens.output == paid.completion_tokens
    cost = (estimate + 10 * paid.prompt_tokens + 20 * paid.completion_tokens) / 1e6
    assert books.cost_usd == pytest.approx(cost)
    if not stream:
        assert float(answer.headers["x-serinus-cost-usd"]) == pytest.approx(cost)


async def test_the_line_of_a_hedged_call(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """It says who won, lists both attempts, and that some of the tokens are an estimate."""
    here = await serve(routing=HEDGED)
    here.standin.behave("good", SLOW)
    await here.chat()
    here.standin.behave("good", ModelBehaviour())
    await here.chat()
    await here.books(requests=2)
    here.running.gateway.services.log.info("flushed")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    hedged, alone = [line for line in lines if line["event"] == "call" and line["agent"] == here.agent]
    assert (hedged["hedge"], hedged["estimated"], hedged["failure"]) == ("won", True, "overtaken")
    assert hedged["attempts"] == [["standin/good", None, "overtaken"], ["standin/backup", 200, None]]
    assert (alone["hedge"], alone["estimated"]) == (None, False)


async def test_a_spent_budget(serve: Serve) -> None:
    """Late calls wait then: where everything is slow not everything is asked twice."""
    here = await serve(routing={**HEDGED, "hedge": {"after": "100ms", "budget": "0.01%"}})
    here.standin.behave("good", late(0.6))
    answers = await asyncio.gather(*(here.chat() for _ in range(14)))
    assert sorted(served_by(answer)[1:] for answer in answers) == [("backup", "2")] * 10 + [("good", "1")] * 4
    assert hedges(await here.books(requests=14)) == (10, 10, 0)


async def test_both_fail(serve: Serve) -> None:
    """The chain goes on behind the hedge's target, and nobody is asked twice; the error is the version's."""
    routing = {**HEDGED, "fallback": ["standin/backup", "standin/third"]}
    here = await serve(routing=routing, gateway={"retries": {"per_target": 3}})
    here.standin.behave("good", late(0.3, error_rate=1, status=503))
    here.standin.behave("backup", late(0.05, error_rate=1, status=503))
    assert served_by(await here.chat()) == (200, "third", "3")
    assert [here.standin.counts(model).requests for model in ("good", "backup", "third")] == [1, 1, 1]
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 0, 1), (1, 0))


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_the_first_fails_and_the_hedge_carries_on(serve: Serve, stream: bool) -> None:
    """It has become the fallback: not started again, and the error is the version's as ever."""
    here = await serve(routing=HEDGED, gateway={"retries": {"per_target": 3}})
    here.standin.behave("good", late(0.2, error_rate=1, status=503))
    here.standin.behave("backup", late(0.3))
    assert served_by(await here.chat(stream=stream)) == (200, "backup", "2")
    assert [here.standin.counts(model).requests for model in ("good", "backup")] == [1, 1]
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 1, 1), (1, 0))


async def test_the_hedge_fails_and_the_first_carries_on(serve: Serve) -> None:
    """As if there had been none."""
    here = await serve(routing=HEDGED)
    here.standin.behave("good", late(0.4))
    here.standin.behave("backup", failing("status", status=400))
    assert served_by(await here.chat()) == (200, "good", "2")
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 0, 0), (0, 0))


async def test_a_failure_before_it_is_late(serve: Serve) -> None:
    """It is retried and falls back as ever; there is no race."""
    here = await serve(routing=HEDGED, gateway={"retries": {"per_target": 1}})
    here.standin.behave("good", failing("status", status=503))
    assert served_by(await here.chat()) == (200, "backup", "3")
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((0, 0, 1), (1, 0))


async def test_the_clients_own_mistake_ends_the_call(serve: Serve) -> None:
    """Late or not, no other target is to judge it: the hedge is cancelled."""
    here = await serve(routing=HEDGED)
    here.standin.behave("good", late(0.3, error_rate=1, status=422))
    here.standin.behave("backup", SLOW)
    assert served_by(await here.chat()) == (422, "good", "2")
    await cancelled(here, "backup")
    assert good_calls(await here.books()) == (0, 1)


async def test_a_request_that_the_next_target_cannot_take(serve: Serve) -> None:
    """What its format refuses is found while the first is under way, and does the first no harm."""
    here = await serve(**CHAINS["openai to anthropic"])
    here.standin.behave("good", late(0.4))
    tool: Any = {"role": "tool", "content": "42"}
    answer = await here.chat(messages=[*HELLO, tool])
    assert served_by(answer) == (200, "good", "2")
    assert here.standin.counts("backup").requests == 0
    assert hedges(await here.books()) == (1, 0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_a_client_that_leaves(serve: Serve, stream: bool) -> None:
    """Both are cancelled at once, and booked: their providers have the request."""
    here = await serve(routing=HEDGED)
    for model in ("good", "backup"):
        here.standin.behave(model, SLOW)
    call = asyncio.create_task(here.chat(stream=stream))
    await eventually(lambda: here.standin.counts("backup").requests == 1)
    call.cancel()
    await asyncio.gather(cancelled(here, "good"), cancelled(here, "backup"))
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 0, 0), (0, 1))
    assert books.tokens.input == sum(len(each.raw_body) // 4 + 1 for each in here.standin.requests)


async def test_a_client_that_leaves_in_time(serve: Serve) -> None:
    """Before anything is late there is only one to cancel."""
    here = await serve(routing={**HEDGED, "hedge": {"after": "3s"}})
    here.standin.behave("good", SLOW)
    call = asyncio.create_task(here.chat())
    await eventually(lambda: here.standin.counts("good").requests == 1)
    call.cancel()
    await cancelled(here, "good")
    assert hedges(await here.books()) == (0, 0, 0)


async def test_an_open_circuit_is_not_hedged_to(serve: Serve) -> None:
    """A target that has just failed is no help; the next one whose circuit is closed is."""
    routing = {**HEDGED, "fallback": ["standin/backup", "standin/third"]}
    here = await serve(routing=routing, gateway={"circuit": {"failures": 1, "open_for": "1m"}})
    here.standin.behave("good", late(0.4, fault_script=("rate_limit",)))
    here.standin.behave("backup", failing("status", status=500))
    assert served_by(await here.chat()) == (200, "third", "3")
    assert here.running.gateway.services.proxy.attempts.circuits.states() == {"standin/backup": "open"}
    assert served_by(await here.chat()) == (200, "third", "2")
    assert here.standin.counts("backup").requests == 1


async def test_a_loser_says_nothing_of_its_target(serve: Serve) -> None:
    """Its circuit stays as it was, whichever of the two it is."""
    here = await serve(routing=HEDGED, gateway={"circuit": {"failures": 1}})
    here.standin.behave("good", SLOW)
    assert served_by(await here.chat()) == (200, "backup", "2")
    assert here.running.gateway.services.proxy.attempts.circuits.states() == {}


async def test_a_call_has_its_attempts_with_or_without_hedge(serve: Serve) -> None:
    """Where one attempt is all that a call may have, the late one is waited for."""
    here = await serve(routing=HEDGED, gateway={"retries": {"max_attempts": 1}})
    here.standin.behave("good", late(0.3))
    assert served_by(await here.chat()) == (200, "good", "1")


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_the_deadline_of_a_call_holds(serve: Serve, stream: bool) -> None:
    """Two that hang together take no longer than one."""
    here = await serve(routing=HEDGED, gateway={"timeouts": {"total": "600ms"}})
    for model in ("good", "backup"):
        here.standin.behave(model, failing("hang"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await here.chat(stream=stream)).status_code == 504
    assert 0.55 <= loop.time() - began < 1.1
    books = await here.books()
    assert (hedges(books), good_calls(books)) == ((1, 0, 1), (1, 0))


async def test_pinned_calls_may_be_hedged(serve: Serve) -> None:
    """A tester waits no longer than others; the books stand apart."""
    here = await serve(routing=HEDGED)
    here.standin.behave("good", SLOW)
    answer = await here.http.post(
        f"{here.base_url}/chat/completions", json={"model": f"{here.agent}@v1", "messages": HELLO}
    )
    assert served_by(answer) == (200, "backup", "2")


async def test_a_shadows_copy_is_never_hedged(serve: Serve) -> None:
    """Nobody waits for it."""
    shadow = {"version": "v9", "sample": "100%"}
    here = await serve(routing={**HEDGED, "shadow": shadow}, files={"v9.yaml": {"model": "standin/shadow"}})
    here.standin.behave("shadow", late(0.3))
    assert served_by(await here.chat()) == (200, "good", "1")
    await eventually(lambda: here.standin.counts("shadow").ok == 1)
    assert here.standin.counts("backup").requests == 0


async def test_a_key_of_the_clients_goes_to_one_provider_only(serve: Serve) -> None:
    """Under the same idempotency key the second request would be taken for a repetition of the first."""
    here = await serve(routing=HEDGED)
    here.standin.behave("good", SLOW)
    await here.chat(headers={"idempotency-key": "once"})
    sent = {json.loads(each.raw_body)["model"]: dict(each.headers) for each in here.standin.requests}
    assert "idempotency-key" in sent["good"] and "idempotency-key" not in sent["backup"]


async def test_late_is_what_takes_longer_than_most(serve: Serve) -> None:
    """By a percentile nothing is late before a hundred answers were seen; then whatever is slower than they were."""
    here = await serve(routing={**HEDGED, "hedge": {"after": "p95"}})
    here.standin.behave("good", late(0.3))
    assert served_by(await here.chat()) == (200, "good", "1")
    here.standin.behave("good", ModelBehaviour())
    for _ in range(10):
        await asyncio.gather(*(here.chat() for _ in range(10)))
    here.standin.behave("good", SLOW)
    assert served_by(await here.chat()) == (200, "backup", "2")
    here.standin.behave("good", late(0.3))
    assert served_by(await here.chat(stream=True)) == (200, "good", "1")  # of streams none was seen yet


async def test_half_of_a_trials_conversations_are_not_hedged(serve: Serve) -> None:
    """On both arms, so that what a version does shows in full; outside of a trial all of them may be."""
    here = await serve(routing={**HEDGED, "canary": "v2", "weight": "50%"}, files={"v2.yaml": {"model": "standin/bad"}})
    for model in ("good", "bad"):
        here.standin.behave(model, late(0.4))
    seen = set()
    for first in range(0, 40, 10):
        asked = [[{"role": "user", "content": f"question {first + number}"}] for number in range(10)]
        answers = await asyncio.gather(*(here.chat(messages=each) for each in asked))
        seen |= {(answer.headers["x-serinus-version"], *served_by(answer)[1:]) for answer in answers}
    assert seen == {("v1", "good", "1"), ("v1", "backup", "2"), ("v2", "bad", "1"), ("v2", "backup", "2")}


async def test_two_streams_that_begin_at_the_same_moment(serve: Serve) -> None:
    """The version's own target answers, and the other's stream is closed although it was open already."""
    here = await serve(routing=HEDGED)
    asked, left, both = list[str](), list[str](), asyncio.Event()

    async def twins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        model = json.loads(await reader.readexactly(length))["model"]
        asked.append(model)
        if len(asked) == 2:
            both.set()
        await both.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % model.encode())
        if model == "backup":
            await asyncio.wait([asyncio.ensure_future(reader.read())])
            left.append(model)
        else:
            await asyncio.sleep(0.2)
            writer.write(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        writer.close()

    async with standing_in(here, twins):
        answer = await here.chat(stream=True)
        await eventually(lambda: left == ["backup"], within=AT_ONCE)
    assert (asked, said(answer), served_by(answer)) == (["good", "backup"], "good", (200, "good", "2"))
    assert hedges(await here.books()) == (1, 0, 0)


class _BothAtOnce:
    """A provider that answers two requests in one turn of the loop, each with its own text."""

    def __init__(self, step: int) -> None:
        self._first: asyncio.StreamWriter | None = None
        self._step = step
        self._answered = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        if self._first is None:
            self._first = writer
            await self._answered.wait()
            return
        for each, text in ((writer, "hedge"), (self._first, "own"))[:: self._step]:
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()
            each.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
            each.write(body)
        self._answered.set()


@pytest.mark.parametrize("step", [1, -1])
async def test_the_items_kept_are_the_answers(serve: Serve, step: int) -> None:
    """Both attempts write the same ids; what a later reference stands for is what the client was told."""
    here = await serve(routing=HEDGED)
    async with standing_in(here, _BothAtOnce(step)):
        asked = {"model": here.agent, "input": "hello"}
        item = (await here.http.post(f"{here.base_url}/responses", json=asked)).json()["output"][0]
    kept = await here.running.gateway.services.items.find("open", [item["id"]])
    assert json.loads(kept[item["id"]])["content"][0]["text"] == item["content"][0]["text"]
