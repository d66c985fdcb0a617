"""What a good answer looks like on the wire, and which odd but legal requests are understood."""

import asyncio
import json

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin

from .raw import CHAT, ask, listen, post, request, send


async def test_a_plain_answer_is_a_completion_with_usage(standin: Standin) -> None:
    """The body has OpenAI's shape, and completion tokens include the reasoning that is not shown."""
    standin.behave("m", ModelBehaviour(chunks=3, prompt_tokens=50, cached_tokens=20, reasoning_tokens=4))
    answer = (await post(standin)).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "cheep " * 3, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = answer["usage"]
    assert isinstance(usage, dict)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (50, 7, 57)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 20
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 4


async def test_an_answer_carries_the_headers_of_a_provider(standin: Standin) -> None:
    """Request id, processing time and rate limits come with it, and the length is the body's."""
    standin.behave("m", ModelBehaviour(latency_seconds=0.03))
    heard = await post(standin)
    assert heard.status == 200
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["content-length"] == str(len(heard.body))
    assert heard.headers["x-request-id"].startswith("req_")
    assert heard.headers["openai-processing-ms"] == "30"
    assert heard.headers["x-ratelimit-remaining-requests"] == "9999"


async def test_a_stream_begins_with_the_role_and_ends_with_done(standin: Standin) -> None:
    """Role, content, finish_reason, [DONE], then the last chunk; no usage anywhere unless asked for."""
    standin.behave("m", ModelBehaviour(chunks=2))
    heard = await post(standin, stream=True)
    role, *content, finish, done = heard.events
    assert heard.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in heard.headers
    assert json.loads(role)["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [json.loads(each)["choices"][0]["delta"] for each in content] == [{"content": "cheep "}] * 2
    assert json.loads(finish)["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"
    assert heard.chunked[1]
    assert b'"usage"' not in heard.raw


async def test_usage_is_an_extra_chunk_when_asked_for(standin: Standin) -> None:
    """With include_usage every chunk says `"usage":null` but the last before [DONE], which has no choices."""
    standin.behave("m", ModelBehaviour(chunks=2, prompt_tokens=9))
    *others, usage, _ = (await post(standin, stream=True, stream_options={"include_usage": True})).events
    assert [json.loads(each)["usage"] for each in others] == [None] * 4
    assert json.loads(usage)["choices"] == []
    assert json.loads(usage)["usage"]["total_tokens"] == 11


async def test_latency_and_gaps_are_kept(standin: Standin) -> None:
    """The first token comes after the latency, the last after the gaps between the chunks."""
    standin.behave("m", ModelBehaviour(latency_seconds=0.05, chunk_seconds=0.03, chunks=4))
    started = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(request(ask(stream=True)))
    await reader.readuntil(b"cheep")
    first = asyncio.get_running_loop().time() - started
    await listen(reader)
    writer.close()
    assert 0.045 <= first < 0.12
    assert 0.13 <= asyncio.get_running_loop().time() - started < 0.3


async def test_a_tool_is_called_when_the_user_says_so(standin: Standin) -> None:
    """`call <tool name>` in the last user message gives a call with arguments that fit the tool's schema."""
    parameters = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": parameters}}]
    messages = [{"role": "user", "content": "please call lookup for me"}]
    answer = (await post(standin, tools=tools, messages=messages)).json()
    choice = answer["choices"][0]  # type: ignore[index]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "lookup", "arguments": '{"order":""}'}


async def test_tool_calls_stream_as_argument_deltas(standin: Standin) -> None:
    """Name and id come first, the arguments in pieces after them, one index for each call."""
    standin.behave("m", ModelBehaviour(chunks=2))
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("look", "book")]
    messages = [{"role": "user", "content": [{"type": "text", "text": "call look, then call book"}]}]
    events = [
        json.loads(each) for each in (await post(standin, tools=tools, messages=messages, stream=True)).events[1:-1]
    ]
    deltas = [call for event in events[:-1] for call in event["choices"][0]["delta"]["tool_calls"]]
    assert [(each["index"], each["function"].get("name")) for each in deltas] == [
        (0, "look"),
        (0, None),
        (0, None),
        (1, "book"),
        (1, None),
        (1, None),
    ]
    assert "".join(each["function"]["arguments"] for each in deltas if each["index"] == 1) == "{}"
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "tool_calls"),
        ({"tool_choice": "none"}, "stop"),
        ({"messages": [{"role": "user", "content": "hi"}, {"role": "tool", "content": "42"}]}, "stop"),
    ],
)
async def test_tool_calls_by_behaviour_stop_when_they_should(
    standin: Standin, more: dict[str, object], reason: str
) -> None:
    """No call where the caller forbids it, nor after a tool's result: an agent comes to its end."""
    standin.behave("m", ModelBehaviour(tool_calls=True))
    tools = [{"type": "function", "function": {"name": "lookup"}}]
    answer = (await post(standin, tools=tools, **more)).json()
    assert answer["choices"][0]["finish_reason"] == reason  # type: ignore[index]


async def test_tool_choice_names_or_requires_a_tool(standin: Standin) -> None:
    """A named tool is called, and `required` calls the first."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("one", "two")]
    named = {"type": "function", "function": {"name": "two"}}
    for choice, expected in ((named, "two"), ("required", "one")):
        answer = (await post(standin, tools=tools, tool_choice=choice)).json()
        assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == expected  # type: ignore[index]


async def test_a_connection_serves_one_call_after_the_other(standin: Standin) -> None:
    """Keep-alive is kept, and requests sent at once are answered in their order."""
    twice = request(ask(model="a")).replace(b"connection: close\r\n", b"") + request(ask(model="b"))
    heard = await send(standin, twice)
    assert heard.raw.count(b"HTTP/1.1 200 OK") == 2
    assert heard.raw.index(b'"model":"a"') < heard.raw.index(b'"model":"b"')
    assert heard.end == "closed"


async def test_many_pipelined_calls_are_all_answered(standin: Standin) -> None:
    """More requests at once than a connection keeps waiting are read later, and none is lost."""
    standin.behave("m", ModelBehaviour(latency_seconds=0.001))
    one = request(ask()).replace(b"connection: close\r\n", b"")
    heard = await send(standin, one * 60 + request(ask()))
    assert heard.raw.count(b"HTTP/1.1 200 OK") == standin.counts("m").ok == 61


async def test_a_chunked_request_is_read_and_its_trailers_are_not(standin: Standin) -> None:
    """Chunks make one body; a header that comes after it is no header."""
    body = b'{"model":"m","messages":[1]}'
    chunks = b"%x\r\n%s\r\n" % (5, body[:5]) + b"%x\r\n%s\r\n" % (len(body) - 5, body[5:])
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()
    heard = await send(standin, head + chunks + b"0\r\nauthorization: Bearer late\r\n\r\n")
    assert heard.status == 200
    (received,) = standin.requests
    assert (received.body, received.header("Authorization")) == (body.decode(), None)


async def test_a_client_that_waits_for_100_continue_gets_it(standin: Standin) -> None:
    """The body is asked for before it has come, then answered."""
    head, _, body = request(ask(), headers="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(head + b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 1) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await listen(reader)).status == 200
    writer.close()


async def test_http_1_0_gets_a_stream_without_chunks(standin: Standin) -> None:
    """A client that cannot read chunks gets plain events and the end of the connection."""
    old = request(ask(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0")
    heard = await send(standin, old)
    assert "transfer-encoding" not in heard.headers
    assert heard.body.startswith(b"data: {")
    assert heard.body.endswith(b"data: [DONE]\n\n")
    assert heard.end == "closed"


async def test_a_lone_surrogate_is_not_an_error(standin: Standin) -> None:
    """Escapes that UTF-8 cannot carry are read, even when a tool's name repeats them."""
    body = rb'{"model":"m","messages":[{"role":"user","content":"\ud83d"}],"tool_choice":"required","tools":'
    heard = await send(standin, request(body + rb'[{"type":"function","function":{"name":"\ud83d"}}]}'))
    assert heard.status == 200
    assert rb'"\ud83d"' in heard.body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[1]", None),
        (b"\xff", None),
        (b'{"model":"m","messages":[1],"x":NaN}', None),
        (b"[" * 100_000, None),
        (b'{"messages":[1]}', "model"),
        (b'{"model":7,"messages":[1]}', "model"),
        (rb'{"model":"\ud83d","messages":[1]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[1],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[1],"stream_options":{"include_usage":true}}', "stream_options"),
        (b'{"model":"m","messages":[1],"tools":[{}]}', "tools"),
    ],
)
async def test_a_bad_request_is_refused_in_openais_words(standin: Standin, body: bytes, param: str | None) -> None:
    """400 with type invalid_request_error and the parameter at fault; the books call it refused."""
    heard = await send(standin, request(body))
    error = heard.json()["error"]
    assert isinstance(error, dict)
    assert (heard.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert standin.counts("").faults == {"refused": 1}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", CHAT, 405), ("POST", "/v1/nothing", 404)])
async def test_a_wrong_method_or_path_is_refused(standin: Standin, method: str, path: str, status: int) -> None:
    """Errors of the address are JSON too."""
    heard = await send(standin, request(ask(), method=method, path=path))
    assert heard.status == status
    assert "message" in heard.json()["error"]  # type: ignore[operator]


async def test_models_are_those_that_were_set_up(standin: Standin) -> None:
    """The list has them, one can be asked for by name, a stranger is not found."""
    standin.behave("house/big", ModelBehaviour())
    listed = (await send(standin, request(method="GET", path="/v1/models"))).json()
    assert [each["id"] for each in listed["data"]] == ["house/big"]  # type: ignore[attr-defined]
    one = await send(standin, request(method="GET", path="/v1/models/house%2Fbig"))
    assert one.json()["object"] == "model"
    stranger = await send(standin, request(method="GET", path="/v1/models/nobody"))
    assert stranger.status == 404
    assert stranger.json()["error"]["code"] == "model_not_found"  # type: ignore[index]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ("", 401, None),
        ("Authorization: Bearer wrong\r\n", 401, "invalid_api_key"),
        ("authorization: bearer k\r\n", 200, 0),
    ],
)
async def test_a_key_is_asked_for_when_one_is_set(sent: str, status: int, code: object) -> None:
    """No key and a wrong key are 401 with OpenAI's codes; the scheme may be written in any case."""
    standin = Standin(api_key="k")
    await standin.start("127.0.0.1", 0)
    heard = await send(standin, request(ask(), headers=sent))
    await standin.stop()
    assert heard.status == status
    if status == 401:
        assert heard.json()["error"]["code"] == code  # type: ignore[index]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HELLO\r\n\r\n",
        request(ask(), headers="transfer-encoding: chunked\r\n"),
        request(ask(), headers="upgrade: h2c\r\n").replace(b"connection: close", b"connection: upgrade"),
    ],
)
async def test_what_is_not_plain_http_1_1_ends_the_connection(standin: Standin, nonsense: bytes) -> None:
    """Unparsable bytes, two framings at once and upgrades get 400 and the end."""
    heard = await send(standin, nonsense)
    assert (heard.status, heard.end) == (400, "closed")


async def test_an_endless_header_or_body_is_refused(standin: Standin) -> None:
    """Beyond its limits the stand-in stops keeping what comes: 413 and the end."""
    heard = await send(standin, b"GET / HTTP/1.1\r\nx: " + b"x" * (2 << 20) + b"\r\n\r\n")
    assert heard.status == 413
