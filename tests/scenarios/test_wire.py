"""What real clients expect on the wire of chat completions, line by line, and what reaches the provider."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.history.view import TokenSums
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import HELLO, PROVIDER_KEY, Place, eventually, failing, saying, standing_in

Serve = Callable[..., Awaitable[Place]]
STREAM = "text/event-stream"
CLIENT_KEY = "sk-client-1a2b3c4d"
KEYS = {"keys": {"app": {"sha256": hashlib.sha256(CLIENT_KEY.encode()).hexdigest()}}}

# Streaming


async def test_stream_is_not_held_back(serve: Serve) -> None:
    """Each event goes out as it comes in: no Content-Length, the first chunk long before the last."""
    here = await serve()
    here.standin.behave("good", ModelBehaviour(chunk_seconds=0.1))
    open_calls = list[int]()
    async with here.http.stream("POST", f"{here.base_url}/chat/completions", json=here.body(stream=True)) as answer:
        async for _ in answer.aiter_raw():
            open_calls.append(here.standin.counts("good").open)
    assert answer.headers["content-type"].startswith(STREAM)
    assert "content-length" not in answer.headers
    assert open_calls[0] == 1, "the provider was still saying the rest when the first came"


@pytest.mark.parametrize(
    "stream",
    [
        b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop","mine":1e400}]}\n\ndata: [DONE]\n\n',
        b'data:{"choices":[{"delta":{"content":"\xe2\x80\xa8"},"finish_reason":"stop"}]}\r\n\r\n: ping\r\n\r\n',
        b'event: message\rid: 7\rdata: {"choices":[{"delta":{},"finish_reason":"length"}]}\r\r',
    ],
    ids=["unknown fields", "CRLF, comments, no space", "CR, event and id lines"],
)
async def test_stream_goes_on_byte_for_byte(serve: Serve, stream: bytes) -> None:
    """Whatever form of server-sent events a provider writes, the client gets the same bytes, and none added."""
    here = await serve()
    async with standing_in(here, saying(stream, STREAM)):
        answer = await here.chat(stream=True)
    assert answer.content == stream


async def test_usage_that_nobody_asked_for(serve: Serve) -> None:
    """The usage chunk is stripped, however it is spelled, and all else of the stream stays."""
    here = await serve()
    content = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}], "usage": null}\n\n'
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}\n\n'
    async with standing_in(here, saying(content + usage + b"data: [DONE]\n\n", STREAM)):
        answer = await here.chat(stream=True)
    assert answer.content == content + b"data: [DONE]\n\n"
    assert (await here.books()).tokens == TokenSums(7, 5, 0, 0)


# Clients that leave


async def leave(here: Place, body: dict[str, Any], after: Callable[[], bool]) -> None:
    """Call, leave once `after` holds, and wait until the provider's call was cancelled."""
    host, _, port = here.running.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
    )
    await eventually(after)
    writer.close()
    await eventually(lambda: here.standin.counts("good").cancelled == 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_client_leaves_before_the_first_byte(serve: Serve, stream: bool) -> None:
    """The provider's call is cancelled long before its answer; it says nothing about the version."""
    here = await serve()
    here.standin.behave("good", ModelBehaviour(latency_seconds=30))
    await leave(here, here.body(stream=stream), lambda: here.standin.counts("good").open == 1)
    books = await here.books()
    assert (books.errors, books.unjudged) == (0, 1)


async def test_client_leaves_mid_stream(serve: Serve) -> None:
    """The same in the middle of a stream; what it has cost so far is booked, by an estimate."""
    prices = [{"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 1.0}]
    here = await serve(gateway={"prices": prices})
    here.standin.behave("good", ModelBehaviour(chunks=1000, chunk_seconds=0.01))

    def sent() -> int:
        return here.standin.counts("good").completion_tokens

    await leave(here, here.body(stream=True), lambda: sent() >= 20)
    books = await here.books()
    assert (books.errors, books.unjudged) == (0, 1)
    assert books.tokens.output == pytest.approx(sent(), abs=5)
    assert books.tokens.input == here.standin.counts("good").prompt_tokens
    assert books.cost_usd == pytest.approx((books.tokens.input + books.tokens.output) / 1e6)


# Errors


async def test_error_of_the_provider(serve: Serve) -> None:
    """Its body arrives byte for byte, its request id under a name of its own."""
    here = await serve()
    here.standin.behave("good", failing("status", status=422, error_message="Größe", error_code="c", error_param="p"))
    answer = await here.chat()
    error = {"message": "Größe", "type": "invalid_request_error", "param": "p", "code": "c"}
    assert (answer.status_code, answer.json()) == (422, {"error": error})
    assert answer.headers["x-upstream-request-id"] != answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/v1/organization/users", 404),
        ("GET", "/v1/models/none", 404),
        ("GET", "/v1/chat/completions", 405),
        ("OPTIONS", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/healthz", 405),
    ],
)
async def test_own_errors_wear_the_dialects_shape(serve: Serve, method: str, path: str, status: int) -> None:
    """On every path, OpenAI's error body as JSON; 405 says what is allowed."""
    here = await serve()
    answer = await here.http.request(method, here.running.url + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/v1/models", "/healthz"])
async def test_head(serve: Serve, path: str) -> None:
    """HEAD is answered like GET, without the body."""
    here = await serve()
    answer = await here.http.head(here.running.url + path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("model", ["gpt-4o", "", None, 7, "@v1", "AGENT@v9", "AGENT@", "\ud83d"])
async def test_model_that_does_not_exist(serve: Serve, model: Any) -> None:
    """404 model_not_found for a name, 400 for what is no name; no provider is called."""
    here = await serve()
    named = model.replace("AGENT", here.agent) if isinstance(model, str) else model
    answer = await here.send(json.dumps(here.body(model=named)).encode())
    wanted = (404, "model_not_found") if isinstance(model, str) and model else (400, None)
    assert (answer.status_code, answer.json()["error"]["code"]) == wanted
    assert answer.json()["error"]["param"] == "model"
    assert len(here.standin.requests) == 0


@pytest.mark.parametrize("value", [None, "", "Bearer", "Basic YTpi", "Bearer wrong", "Bearer kéy", CLIENT_KEY])
async def test_key_that_opens_nothing(serve: Serve, value: str | None) -> None:
    """401 with how to send it, before the body is looked at or a provider called."""
    here = await serve(gateway=KEYS)
    headers: Any = {} if value is None else {b"authorization": value.encode()}
    answer = await here.http.post(f"{here.base_url}/chat/completions?key={CLIENT_KEY}", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert len(here.standin.requests) == 0


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_key(serve: Serve, scheme: str) -> None:
    """The right key opens, in any case of `Bearer`, and never travels on."""
    here = await serve(gateway=KEYS)
    answer = await here.chat(headers={"Authorization": f"{scheme} {CLIENT_KEY}"})
    assert answer.status_code == 200
    assert here.received().header("authorization") == f"Bearer {PROVIDER_KEY}"


NOT_JSON = {
    "empty": b"",
    "array": b"[]",
    "null": b"null",
    "text": b"hello",
    "half": b'{"model": "x"',
    "trailing": b'{"model": "x"} {}',
    "not UTF-8": b'{"model": "\xff"}',
    "BOM": b'\xef\xbb\xbf{"model": "x"}',
    "duplicate": b'{"model": "x", "model": "y"}',
    "NaN": b'{"model": "x", "temperature": NaN}',
    "Infinity": b'{"model": "x", "temperature": -Infinity}',
    "control": b'{"model": "a\x01"}',
    "single quotes": b"{'model': 'x'}",
    "5,000 digits": b'{"seed": ' + b"9" * 5000 + b"}",
    "deep": b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000,
}


async def test_bodies_that_are_not_json(serve: Serve) -> None:
    """Each is a 400 that says why, and the next good call is served."""
    here = await serve()
    for name, body in NOT_JSON.items():
        answer = await here.send(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json"), name
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert (await here.chat()).status_code == 200
    assert len(here.standin.requests) == 1


@pytest.mark.parametrize("depth", [300, 600, 900, 930, 960, 990])
async def test_depth_near_the_limit(serve: Serve, depth: int) -> None:
    """Nesting that the reader just bears is served or refused, but nothing breaks on it later."""
    here = await serve()
    content = "[" * depth + "]" * depth
    answer = await here.send(
        b'{"model":"%b","messages":[{"role":"user","content":%b}]}' % (here.agent.encode(), content.encode())
    )
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("field", [{"messages": "hello"}, {"messages": None}, {"stream": "yes"}, {"stream": 1}])
async def test_fields_of_the_wrong_kind(serve: Serve, field: dict[str, Any]) -> None:
    """400 that names the field, for what the gateway itself must understand."""
    here = await serve()
    answer = await here.chat(**field)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(field)))


# Bodies


ODD = (
    b'"temperature": 1.0, "top_p":1E-2, "seed":9007199254740993, "big":123456789012345678901234567890, '
    b'"user" : "\\u00e9", "metadata":{"a":"\xc3\xa9","a":"again"}, "x_unknown": [1.50, -0, {"deep":[[]]}]'
)


async def test_what_nobody_sets_stays(serve: Serve) -> None:
    """Unknown fields, number spelling, integers above 2^53, the developer role: byte for byte at the provider."""
    here = await serve()
    messages = (
        b'[ {"role":"developer","content":"be\\ud83d brief"}, {"content":[{"type":"text","text":"hi"}],"x":1.0} ]'
    )
    answer = await here.send(b'{"model":"%b", %b, "messages":%b}' % (here.agent.encode(), ODD, messages))
    assert answer.status_code == 200
    raw = here.received().raw_body
    for member in (*ODD.split(b", "), messages):
        name, colon, value = member.partition(b":")
        assert (name.strip() + b":" + value.strip() if colon and member is not messages else member) in raw


async def test_answer_stays(serve: Serve) -> None:
    """Unknown fields, big integers, lone surrogates and spaces of an answer reach the client byte for byte."""
    here = await serve()
    body = b'{ "choices": [{"message": {"content": "\\ud83d", "x":"r"}}], "n":123456789012345678901, "f":1.0 }'
    async with standing_in(here, saying(body)):
        answer = await here.chat()
    assert (answer.status_code, answer.content) == (200, body)


async def test_stream_options_stay(serve: Serve) -> None:
    """The gateway adds its wish for usage to the client's own stream options, and touches nothing else of them."""
    here = await serve()
    options = b'{"include_obfuscation": false, "x": 1.0}'
    body = b'{"model":"%b","messages":[],"stream":true,"stream_options":%b}' % (here.agent.encode(), options)
    await here.send(body)
    assert b'"stream_options":{"include_usage":true,' + options[1:] in here.received().raw_body


async def test_ten_megabytes(serve: Serve) -> None:
    """A request of 10 MB goes on whole."""
    here = await serve()
    answer = await here.chat(messages=[{"role": "user", "content": "é" * 5_000_000}])
    assert answer.status_code == 200
    assert here.received().body_bytes > 10_000_000


async def test_compressed_request(serve: Serve) -> None:
    """A body with a content encoding is refused with 415, not guessed at."""
    here = await serve()
    answer = await here.chat(headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_odd_but_legal_requests(serve: Serve) -> None:
    """Chunked bodies, and any spelling of the content type."""
    here = await serve()

    async def pieces() -> Any:
        for byte in json.dumps(here.body()).encode():
            yield bytes([byte])

    headers = {"CONTENT-TYPE": "Application/JSON; charset=UTF-8"}
    answer = await here.http.post(f"{here.base_url}/chat/completions", content=pieces(), headers=headers)
    assert answer.status_code == 200
    assert here.received().header("content-type") == "application/json"


# Headers


PLANTED = {
    "cookie": "session=planted",
    "x-api-key": "planted",
    "api-key": "planted",
    "x-goog-api-key": "planted",
    "proxy-authorization": "planted",
    "x-serinus-version": "planted",
    "x-forwarded-for": "planted",
    "x-forwarded-host": "planted",
    "forwarded": "for=planted",
    "origin": "http://planted.example",
    "x-foo": "planted",
    "x-trace-secret": "planted",
    "openai-beta": "planted",
    "openai-organization": "planted",
    "te": "trailers",
    "connection": "x-trace-secret, OpenAI-Beta, content-type, keep-alive",
}
WANTED = {
    "accept": "application/json",
    "user-agent": "the-app/1.0",
    "anthropic-beta": "b-1",
    "x-stainless-lang": "python",
    "idempotency-key": "i-1",
    "traceparent": "00-1-2-01",
    "tracestate": "a=b",
    "x-trace-id": "t-1",
}


async def test_headers_to_the_provider(serve: Serve) -> None:
    """By allow-list: what a provider may know goes on; credentials, cookies, hop-by-hop and ours never do."""
    here = await serve(gateway={"forward_headers": ["x-trace-*"], "cors": [PLANTED["origin"]]})
    answer = await here.chat(headers={**PLANTED, **WANTED})
    assert answer.status_code == 200
    got = {name.lower(): value for name, value in here.received().headers}
    own = {"host", "content-length", "content-type", "accept-encoding", "authorization"}
    assert {name: value for name, value in got.items() if name not in own} == WANTED
    assert len(got) == len(here.received().headers)
    assert got["host"].startswith("127.0.0.1:") and got["content-type"] == "application/json"
    assert got["authorization"] == f"Bearer {PROVIDER_KEY}"


async def test_query_to_the_provider(serve: Serve) -> None:
    """The query string goes on, without whatever is a key, however its name is written."""
    here = await serve()
    await here.chat(query="?api-version=2024%2D10&key=planted&API_KEY=planted&k%65y=planted&x=%C3%A9")
    assert here.received().path == "/v1/chat/completions?api-version=2024%2D10&x=%C3%A9"


async def test_headers_to_the_client(serve: Serve) -> None:
    """By allow-list too: rate limits and the like, who served the call, and one framing header."""
    here = await serve()
    answer = await here.chat()
    names = [name.lower().decode() for name, _ in answer.headers.raw]
    assert len(names) == len(set(names))
    passed = {name for name in names if name.startswith(("x-ratelimit-", "openai-"))}
    assert len(passed) >= 4
    own = {f"x-serinus-{name}" for name in ("agent", "version", "reason", "target", "attempts", "call-id")}
    assert set(names) - passed == {"content-type", "content-length", "x-request-id", "x-upstream-request-id", *own}


@pytest.mark.parametrize(
    ("given", "kept"), [("run-7.a_B", True), ("a b", False), ("x" * 65, False), ("<script>", False)]
)
async def test_request_id(serve: Serve, given: str, kept: bool) -> None:
    """A client's own `x-request-id` is echoed when it is a plain one; the call's id is ours in any case."""
    here = await serve()
    one, other = [await here.chat(headers={"x-request-id": given, "x-serinus-call-id": "mine"}) for _ in range(2)]
    call_id = one.headers["x-serinus-call-id"]
    assert one.headers["x-request-id"] == (given if kept else call_id)
    assert len(call_id) == 52 and call_id != other.headers["x-serinus-call-id"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/feedback", "/v1/files", "/v1/x/", "/x"])
async def test_request_id_of_what_became_no_call(serve: Serve, path: str) -> None:
    """A refusal echoes the client's own id, so that it can be found in the client's log."""
    here = await serve()
    answer = await here.http.post(here.running.url + path, content=b"{", headers={"x-request-id": "run-7"})
    assert answer.status_code >= 400 and answer.headers["x-request-id"] == "run-7"
    answer = await here.http.post(here.running.url + path, content=b"{", headers={"x-request-id": "<script>"})
    assert answer.headers.get("x-request-id") != "<script>"


async def test_nothing_in_a_request_changes_where_it_goes(serve: Serve) -> None:
    """A Host and forwarded headers are words like any others; a `base_url` in the body is refused."""
    here = await serve(gateway=KEYS)
    headers = {
        "authorization": f"Bearer {CLIENT_KEY}",
        "host": "evil.example/?x=",
        "x-forwarded-host": "evil.example",
        "x-serinus-target": "evil/model",
    }
    answer = await here.chat(headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-serinus-target"] == "standin/good"
    answer = await here.chat(headers=headers, base_url="http://evil.example")
    assert answer.status_code == 400 and len(here.standin.requests) == 1


@pytest.mark.parametrize("fault", [None, "status", "error_in_200", "reset", "html"])
async def test_keys_are_never_shown(serve: Serve, fault: Any, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Neither the provider's key nor the client's is in any answer, or in any line of the log."""
    here = await serve(gateway=KEYS)
    if fault is not None:
        here.standin.behave("good", failing(fault, status=401, error_message=f"Bad key {PROVIDER_KEY}"))
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-api-key": CLIENT_KEY}
    answers = [await here.chat(headers, stream=stream) for stream in (False, True)]
    answers.append(await here.chat({"authorization": f"Bearer {CLIENT_KEY}x"}, query=f"?key={CLIENT_KEY}"))
    await here.books(requests=2)
    shown = b"".join(answer.content + b"".join(b"".join(pair) for pair in answer.headers.raw) for answer in answers)
    logged = b"".join(capfdbinary.readouterr())
    assert b'"event":"call"' in logged
    for secret in (PROVIDER_KEY.encode(), CLIENT_KEY.encode()):
        assert secret not in shown + logged


# The version is authoritative


async def test_version_is_applied(serve: Serve) -> None:
    """Model, prompt, parameters and tools of the version replace the client's; what it leaves open passes."""
    version = {
        "system_prompt": "You are v1.", "temperature": 0.25, "max_tokens": 100, "top_p": 0.5,
        "client_may_set": ["top_p"], "tools": [{"name": "look_up", "description": "ours"}],
    }  # fmt: skip
    here = await serve(version=version)
    tools = [{"type": "function", "function": {"name": name, "description": "theirs"}} for name in ("look_up", "own")]
    messages = [{"role": "system", "content": "theirs"}, *HELLO]
    sent: Any = {
        "temperature": 2,
        "max_completion_tokens": 9,
        "top_p": 0.9,
        "seed": 3,
        "tools": tools,
        "messages": messages,
    }
    assert (await here.chat(**sent)).status_code == 200
    got = here.received_json()
    assert got["model"] == "good"
    assert got["messages"] == [{"role": "system", "content": "You are v1.\n\ntheirs"}, *HELLO]
    assert (got["temperature"], got["max_tokens"], got["top_p"], got["seed"]) == (0.25, 100, 0.9, 3)
    assert "max_completion_tokens" not in got
    assert [tool["function"]["description"] for tool in got["tools"]] == ["ours", "theirs"]


async def test_pinned_version(serve: Serve) -> None:
    """`agent@version` goes to that version, and is counted apart."""
    here = await serve(files={"v2.yaml": {"model": "standin/better"}})
    answer = await here.chat(model=f"{here.agent}@v2")
    assert answer.headers["x-serinus-version"] == "v2"
    assert here.received_json()["model"] == "better"
