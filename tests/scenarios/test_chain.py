"""The fallback chain under every fault that the stand-in provider knows, and what is booked for it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import httpx2
import openai
import pytest

from gateway.rehearsal.standin import Fault, ModelBehaviour
from gateway.rollout.status_view import VersionView
from tests.support.calling import HELLO, Place, events, eventually, failing, saying, standing_in
from tests.support.listening import listening

Serve = Callable[..., Awaitable[Place]]
CHEEPS = "cheep " * 8
BRIEF = {"answer": "300ms", "first_token": "300ms", "between_chunks": "300ms", "total": "5s"}
# One call's limits, small enough to wait for, and room for the answers of this file.
GATEWAY = {"timeouts": BRIEF, "limits": {"answer": "1MB"}}
BACKUP = {"fallback": ["standin/backup"]}

# What a client is told when nobody else can answer.
REFUSALS: dict[Fault, tuple[int, str | None]] = {
    "status": (500, None),
    "rate_limit": (429, "rate_limit_exceeded"),
    "error_in_200": (502, None),
    "error_mid_stream": (502, None),
    "truncate": (502, "upstream_truncated"),
    "clean_cut": (502, "upstream_malformed"),
    "hang": (504, "upstream_timeout"),
    "hang_mid_stream": (504, "upstream_timeout"),
    "reset": (502, "upstream_lost"),
    "reset_mid_stream": (502, "upstream_truncated"),
    "html": (502, "upstream_malformed"),
    "bad_json": (502, "upstream_malformed"),
    "empty_choices": (502, "upstream_malformed"),
    "slow_drip": (504, "upstream_timeout"),
    "gzip_bomb": (502, "upstream_malformed"),
    "huge": (502, "upstream_malformed"),
    "redirect": (502, "upstream_malformed"),
}
MID_STREAM: dict[Fault, str | None] = {
    "error_mid_stream": None,
    "truncate": "upstream_truncated",
    "clean_cut": "upstream_truncated",
    "hang_mid_stream": "upstream_timeout",
    "reset_mid_stream": "upstream_truncated",
    "bad_json": "upstream_malformed",
}
BEFORE_THE_FIRST_CHUNK = [fault for fault in REFUSALS if fault not in MID_STREAM]


def faulty(fault: Fault, **more: Any) -> ModelBehaviour:
    return failing(fault, huge_bytes=3_000_000 if fault == "huge" else 30_000_000, **more)


def errors_of(fault: Fault) -> dict[str, int]:
    """What one such call adds to its version: an error, or nothing to judge when the account was at its limit."""
    return {"requests": 1, "errors": 0, "unjudged": 1} if fault == "rate_limit" else {"requests": 1, "errors": 1}


async def said(stream: openai.AsyncStream[Any]) -> str:
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def part(books: VersionView, like: dict[str, int]) -> dict[str, Any]:
    return {name: getattr(books, name) for name in like}


# With a next target


@pytest.mark.parametrize("fault", [*REFUSALS, "bad_tool_arguments"])
async def test_answer_from_the_next_target(serve: Serve, fault: Fault) -> None:
    """The client gets the next target's answer and never notices; the version is charged with the error once."""
    here = await serve(gateway=GATEWAY, routing=BACKUP)
    here.standin.behave("good", faulty(fault))
    raw = await here.sdk().chat.completions.with_raw_response.create(model=here.agent, messages=HELLO)
    assert raw.parse().choices[0].message.content == CHEEPS
    assert (raw.headers["x-serinus-target"], raw.headers["x-serinus-attempts"]) == ("standin/backup", "2")
    assert part(await here.books(), errors_of(fault)) == errors_of(fault)


@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_CHUNK)
async def test_stream_from_the_next_target(serve: Serve, fault: Fault) -> None:
    """What goes wrong before the first chunk is made good by the next target, as one whole stream."""
    here = await serve(gateway=GATEWAY, routing=BACKUP)
    here.standin.behave("good", faulty(fault))
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    assert await said(stream) == CHEEPS
    assert part(await here.books(), errors_of(fault)) == errors_of(fault)


async def test_failure_in_the_first_packet(serve: Serve) -> None:
    """A stream whose first packet already holds its failure is not committed: the next target answers."""
    here = await serve(routing=BACKUP)
    here.standin.behave("good", failing("error_mid_stream"))
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    assert await said(stream) == CHEEPS


async def test_gzip(serve: Serve) -> None:
    """An answer that is compressed although nobody asked is no fault, streamed or not."""
    here = await serve()
    here.standin.behave("good", failing("gzip"))
    raw = await here.sdk().chat.completions.with_raw_response.create(model=here.agent, messages=HELLO)
    assert raw.parse().choices[0].message.content == CHEEPS
    assert "content-encoding" not in raw.headers
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    assert await said(stream) == CHEEPS


async def test_refused_connection(serve: Serve) -> None:
    """A provider that was never there is named, with what to do; its address is not told to clients."""
    here = await serve(gateway={"providers": {"standin": {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}}})
    answer = await here.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "target_misconfigured")
    assert "standin/good" in answer.text and "127.0.0.1" not in answer.text
    assert (await here.books()).errors == 1


# Without one


@pytest.mark.parametrize(
    ("fault", "stream"), [*((fault, False) for fault in REFUSALS), *((fault, True) for fault in BEFORE_THE_FIRST_CHUNK)]
)
async def test_refusal(serve: Serve, fault: Fault, stream: bool) -> None:
    """Nobody else can answer: a typed error in OpenAI's shape and with a real status, within the time allowed."""
    times_out = REFUSALS[fault][1] == "upstream_timeout"
    # Unpacking a bomb takes a busy machine its time.
    here = await serve(gateway=GATEWAY if times_out else {"limits": GATEWAY["limits"]})
    here.standin.behave("good", faulty(fault))
    answer = await here.chat(stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == REFUSALS[fault]
    assert answer.json()["error"].keys() - {"serinus"} == {"message", "type", "param", "code"}
    assert part(await here.books(), errors_of(fault)) == errors_of(fault)


async def test_a_refusal_says_who_failed(serve: Serve) -> None:
    """The targets that were asked, in their order, and how often; no address of the inside."""
    here = await serve(routing=BACKUP)
    for model in ("good", "backup"):
        here.standin.behave(model, failing("reset"))
    message = (await here.chat()).json()["error"]["message"]
    assert re.fullmatch(
        r"the connection .* broke before its answer \(standin/good, standin/backup; [2-4] attempts\)", message
    )


@pytest.mark.parametrize("fault", MID_STREAM)
async def test_broken_stream(serve: Serve, fault: Fault) -> None:
    """After the first chunk: an error event, no [DONE], no fallback, the connection aborted; the version's error."""
    here = await serve(gateway=GATEWAY, routing=BACKUP)
    here.standin.behave("good", faulty(fault, chunk_seconds=0.03))
    body = b""
    with pytest.raises(httpx2.RemoteProtocolError):
        async with here.http.stream("POST", f"{here.base_url}/chat/completions", json=here.body(stream=True)) as answer:
            async for chunk in answer.aiter_raw():
                body += chunk
    *_, last = events(body)
    assert last["error"]["code"] == MID_STREAM[fault]
    assert b"[DONE]" not in body and b'"finish_reason":"stop"' not in body
    assert here.standin.counts("backup").requests == 0
    assert part(await here.books(), errors_of(fault)) == errors_of(fault)


@pytest.mark.parametrize("fault", MID_STREAM)
async def test_sdk_raises_for_a_broken_stream(serve: Serve, fault: Fault) -> None:
    """The SDK raises where the stream broke, after the chunks that came before."""
    here = await serve(gateway=GATEWAY)
    here.standin.behave("good", faulty(fault, chunk_seconds=0.03))
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    chunks = []
    with pytest.raises(openai.APIError):
        async for chunk in stream:
            chunks.append(chunk)
    assert chunks


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_arguments_that_are_not_json(serve: Serve, stream: bool) -> None:
    """When there is nothing better the client gets the answer as the model gave it, priced, and booked as an error."""
    prices = [{"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}]
    here = await serve(gateway={"prices": prices})
    here.standin.behave("good", failing("bad_tool_arguments"))
    answer = await here.chat(stream=stream)
    assert answer.status_code == 200
    assert b"unfinished" in answer.content
    assert answer.headers["x-ratelimit-limit-requests"] == "10000"
    books = await here.books()
    assert books.errors == 1 and books.cost_usd


async def test_stream_left_open_by_the_provider(serve: Serve) -> None:
    """What cannot be told from a whole stream is taken for one: finish_reason came, [DONE] did not."""
    here = await serve(gateway={"timeouts": BRIEF})

    event = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
    async with standing_in(here, saying(event, "text/event-stream")):
        answer = await here.chat(stream=True)
    assert (answer.status_code, answer.content) == (200, event)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"choices":[{"message":{"content":"x"}}]}', "application/json"),
        (b": still thinking\n\n" * 100_000, "text/event-stream"),
    ],
    ids=["a whole answer", "comments without end"],
)
async def test_stream_that_is_none(serve: Serve, body: bytes, kind: str) -> None:
    """A stream was asked for: what never comes to a part of an answer is a 502, and memory stays bounded."""
    here = await serve()
    async with standing_in(here, saying(body, kind)):
        answer = await here.chat(stream=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_malformed")


# Retries


async def test_rate_limit_is_waited_for(serve: Serve) -> None:
    """Retry-After is obeyed within the time allowed: the next try comes after it, and not before."""
    here = await serve(gateway={"retries": {"per_target": 1}})
    here.standin.behave("good", ModelBehaviour(fault_script=("rate_limit",), retry_after_seconds=0.4))
    began = monotonic()
    answer = await here.chat()
    assert answer.status_code == 200 and answer.headers["x-serinus-attempts"] == "2"
    assert monotonic() - began >= 0.4
    assert part(await here.books(), {"errors": 0, "unjudged": 1}) == {"errors": 0, "unjudged": 1}


async def test_rate_limit_that_lasts_too_long(serve: Serve) -> None:
    """A Retry-After beyond the time allowed goes to the client with the 429, at once."""
    here = await serve(gateway={"retries": {"per_target": 1}, "timeouts": BRIEF})
    here.standin.behave("good", failing("rate_limit", retry_after_seconds=9))
    answer = await here.chat()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")
    assert here.standin.counts("good").requests == 1


async def test_should_retry_false(serve: Serve) -> None:
    """The provider's `x-should-retry: false` is obeyed and handed on."""
    here = await serve(gateway={"retries": {"per_target": 3}})
    here.standin.behave("good", failing("status", status=503, should_retry=False))
    answer = await here.chat()
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
    assert here.standin.counts("good").requests == 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_callers_own_error(serve: Serve, status: int) -> None:
    """A request that is wrong is neither retried nor sent elsewhere, and is no error of the version."""
    here = await serve(gateway={"retries": {"per_target": 3}}, routing=BACKUP)
    here.standin.behave("good", failing("status", status=status, error_param="messages"))
    assert (await here.chat()).status_code == status
    assert [here.standin.counts(model).requests for model in ("good", "backup")] == [1, 0]
    assert (await here.books()).errors == 0


@pytest.mark.parametrize(("param", "errors"), [("temperature", 1), ("tools[0].function.name", 0), ("messages", 0)])
async def test_error_about_a_parameter_of_the_version(serve: Serve, param: str, errors: int) -> None:
    """A 400 about a field that the version set is the version's error, and another target may do better."""
    here = await serve(routing=BACKUP, version={"temperature": 0.5})
    here.standin.behave("good", failing("status", status=400, error_param=param))
    assert (await here.chat()).status_code == (200 if errors else 400)
    assert (await here.books()).errors == errors


async def test_max_attempts(serve: Serve) -> None:
    """However long the chain, a call makes at most so many attempts."""
    chain = {"fallback": [f"standin/backup-{number}" for number in range(5)]}
    here = await serve(gateway={"retries": {"per_target": 1, "max_attempts": 4}}, routing=chain)
    for model in ("good", *(f"backup-{number}" for number in range(5))):
        here.standin.behave(model, failing("status", status=503))
    assert (await here.chat()).status_code == 503
    assert len(here.standin.requests) == 4


async def test_retry_budget(serve: Serve) -> None:
    """200 calls to a provider that answers 503 make at most 1.2 × 200 + 20 attempts."""
    retries = {"per_target": 3, "base": "1ms", "cap": "1ms"}
    here = await serve(gateway={"retries": retries, "circuit": {"failures": 10_000}})
    here.standin.behave("good", failing("status", status=503))
    for _ in range(10):
        await asyncio.gather(*(here.chat() for _ in range(20)))
    assert 200 < here.standin.counts("good").requests <= 1.2 * 200 + 20


@pytest.mark.parametrize("stream", [False, True])
async def test_total_deadline(serve: Serve, stream: bool) -> None:
    """One deadline over all retries and fallbacks of a call: the time that is left after two of them cuts the third."""
    timeouts = {"answer": "400ms", "first_token": "400ms", "total": "1s"}
    chain = {"fallback": ["standin/backup", "standin/third", "standin/fourth"]}
    here = await serve(gateway={"timeouts": timeouts}, routing=chain)
    for model in ("good", "backup", "third", "fourth"):
        here.standin.behave(model, failing("hang"))
    began = monotonic()
    assert (await here.chat(stream=stream)).status_code == 504
    assert monotonic() - began >= 1.0
    assert here.standin.counts("fourth").requests == 0


async def test_total_deadline_of_a_stream(serve: Serve) -> None:
    """A stream that goes on for ever is cut at the deadline, with an error event."""
    here = await serve(gateway={"timeouts": {"total": "1s"}})
    here.standin.behave("good", ModelBehaviour(chunks=1000, chunk_seconds=0.02))
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    chunks = list[Any]()
    with pytest.raises(openai.APIError, match="did not end within the call's total time"):
        async for chunk in stream:
            chunks.append(chunk)
    assert 1 <= len(chunks) <= 1.0 / 0.02 + 5


# Circuits


def circuits(here: Place) -> dict[str, str]:
    return here.running.gateway.services.proxy.attempts.circuits.states()


async def test_circuit(serve: Serve) -> None:
    """Failures in a row open the circuit of their target: it is spared, shown on /status, and tried again later."""
    here = await serve(gateway={"circuit": {"failures": 3, "open_for": "400ms"}})
    here.standin.behave("good", ModelBehaviour(fault_script=("status",) * 3))
    assert [(await here.chat()).status_code for _ in range(3)] == [500] * 3
    refused = await here.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "upstream_circuit_open")
    assert refused.headers["retry-after"] == "1"
    assert here.standin.counts("good").requests == 3
    status = (await here.http.get(f"{here.running.url}/status")).json()
    assert status["gateway"]["circuits"] == {"standin/good": "open"}
    await eventually(lambda: circuits(here) == {"standin/good": "half_open"})
    assert (await here.chat()).status_code == 200
    assert circuits(here) == {}


async def test_circuit_of_streams_that_fall_silent(serve: Serve) -> None:
    """Streams that begin well and then hang are a sick target too."""
    here = await serve(gateway={"timeouts": BRIEF, "circuit": {"failures": 2, "open_for": "1m"}})
    here.standin.behave("good", failing("hang_mid_stream", chunk_seconds=0.01))
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            await here.chat(stream=True)
    assert circuits(here) == {"standin/good": "open"}


async def test_probe_whose_client_leaves(serve: Serve) -> None:
    """A client that leaves during the probe says nothing of the target: the next call may probe."""
    here = await serve(gateway={"circuit": {"failures": 1, "open_for": "200ms"}})
    here.standin.behave("good", ModelBehaviour(fault_script=("status",)))
    assert (await here.chat()).status_code == 500
    await eventually(lambda: circuits(here) == {"standin/good": "half_open"})
    here.standin.behave("good", ModelBehaviour(latency_seconds=9))
    with pytest.raises(httpx2.ReadTimeout):
        await here.http.post(f"{here.base_url}/chat/completions", json=here.body(), timeout=0.1)
    here.standin.behave("good", ModelBehaviour())
    await eventually(lambda: here.standin.counts("good").cancelled == 1)
    assert (await here.chat()).status_code == 200


# A person as the last target


@pytest.mark.parametrize("stream", [False, True])
async def test_handed_over(serve: Serve, stream: bool) -> None:
    """Nobody can answer: a well-formed completion says that a person takes over, and the store has the conversation."""
    here = await serve(gateway={"escalation": {"message": "A person is coming."}}, routing={"fallback": ["human"]})
    here.standin.behave("good", failing("status", status=500))
    raw = await here.sdk().chat.completions.with_raw_response.create(model=here.agent, messages=HELLO, stream=stream)
    assert raw.headers["x-serinus-escalated"] == "human"
    answer: Any = raw.parse()
    text = await said(answer) if stream else answer.choices[0].message.content
    assert text == "A person is coming."
    books = await here.books()
    assert (books.errors, books.escalations) == (1, 1)
    [(_, event)] = await handed_over(here)
    handed = await here.running.gateway.store.store.escalation([here.agent], event["call_id"])
    assert handed is not None and json.loads(handed.event["messages"]) == HELLO
    assert (event["call_id"], event["version"]) == (raw.headers["x-request-id"], "v1")


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 410, 413, 415, 422, 501])
async def test_the_clients_own_mistake_is_not_handed_over(serve: Serve, status: int) -> None:
    """A file that is not there, a body that is too large: the client hears so, and nothing is kept for people."""
    here = await serve(routing={"fallback": ["human"]})
    refusal = failing("status", status=status, error_code="refused", error_message="No such file: file-1")
    here.standin.behave("good", refusal)
    answer = await here.chat()
    assert (answer.status_code, "x-serinus-escalated" in answer.headers) == (status, False)
    await asyncio.sleep(0.05)
    assert await here.running.gateway.store.store.escalations([here.agent], 1) == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 529])
async def test_an_outage_is_handed_over(serve: Serve, status: int) -> None:
    """The provider fails or is busy: that is no client's mistake."""
    here = await serve(routing={"fallback": ["human"]})
    here.standin.behave("good", failing("status", status=status))
    assert (await here.chat()).headers["x-serinus-escalated"] == "human"


@pytest.mark.parametrize("statuses", [(500, 404), (404, 500)])
async def test_an_outage_of_one_target_is_handed_over(serve: Serve, statuses: tuple[int, int]) -> None:
    """Whatever the other target made of the request: without the outage the call might have been served."""
    here = await serve(routing={"fallback": ["standin/other", "human"]})
    for model, status in zip(("good", "other"), statuses, strict=True):
        here.standin.behave(model, failing("status", status=status))
    assert (await here.chat()).headers["x-serinus-escalated"] == "human"


async def test_handed_over_stream_with_usage(serve: Serve) -> None:
    """Whoever asked for usage gets it with a handed-over stream too: exactly once, and last."""
    here = await serve(routing={"fallback": ["human"]})
    here.standin.behave("good", failing("status", status=500))
    answer = await here.chat(stream=True, stream_options={"include_usage": True})
    *_, usage, done = events(answer.content)
    assert done == "[DONE]"
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] == 0


async def test_webhook_is_told(serve: Serve) -> None:
    """Whoever is named in the configuration is told, once, and can tell a repetition by its key."""
    heads: list[bytes] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 X\r\n\r\n")

    async with listening(receiver) as port:
        escalation = {"webhook": f"http://127.0.0.1:{port}/people", "allow_private_webhook": True}
        here = await serve(gateway={"escalation": escalation}, routing={"fallback": ["human"]})
        here.standin.behave("good", failing("status", status=500))
        answer = await here.chat()
        await eventually(lambda: bool(heads))
        await asyncio.sleep(0.05)
    [head] = heads
    assert head.startswith(b"POST /people ")
    assert f"idempotency-key: {answer.headers['x-request-id']}\r\n".encode() in head


async def handed_over(here: Place) -> list[Any]:
    """The conversations in the store, once there is one."""
    store: Any = here.running.gateway.store.store
    key = f"serinus:{{{here.agent}}}:escalations"
    for _ in range(200):
        if found := await store._client.xrange(key):
            return list(found)
        await asyncio.sleep(0.01)
    raise TimeoutError(key)
