"""What is passed through: to whom, with which model, what comes back, and what is booked."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx2
import openai
import pytest

from tests.gateway.api.passed import booked, logged, once
from tests.support.calling import PROVIDER_KEY, PROVIDERS, Place, failing, standing_in
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
SOUND = bytes(range(256)) * 20 + b"\r\n--not-the-boundary\r\n"
PRICE = {"target": "standin/good", "from": "2026-01-01", "input": 1.0, "output": 2.0}


async def test_a_transcription(serve: Serve) -> None:
    """Only the form's model is another: the version's. The file arrives byte for byte."""
    here = await serve()
    said = await here.sdk().audio.transcriptions.create(model=here.agent, file=("a.wav", SOUND), language="en")
    assert said.text == "cheep " * 8
    received = here.received()
    assert SOUND in received.raw_body and b"\r\ngood\r\n" in received.raw_body
    assert here.agent.encode() not in received.raw_body
    assert received.header("authorization") == f"Bearer {PROVIDER_KEY}"


async def test_an_image_is_metered_apart(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """Its tokens and its cost are booked on the version, beside the calls that trials are judged by."""
    here = await serve(gateway={"prices": [PRICE]})
    image = await here.sdk().images.generate(model=here.agent, prompt="a bird", size="auto")
    assert image.data and image.data[0].b64_json and image.usage
    assert here.received_json() == {"model": "good", "prompt": "a bird", "size": "auto"}
    assert (await booked(here)).requests == 1 and (await here.books(requests=0)).requests == 0
    line = await logged(capfd)
    assert line["output_tokens"] == image.usage.output_tokens > 0
    assert line["cost_usd"] == pytest.approx((image.usage.input_tokens + 2 * image.usage.output_tokens) / 1e6)
    assert (line["reason"], line["version"], line["end"]) == ("passed", "v1", "answered")


async def test_speech_is_any_bytes(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """The answer comes back as it is, with its own content type and who served it; what it cost nobody has said."""
    here = await serve(gateway={"prices": [PRICE]})
    speech = await here.sdk().audio.speech.with_raw_response.create(model=here.agent, voice="alloy", input="hi")
    assert speech.content.startswith(b"ID3") and speech.headers["content-type"] == "audio/mpeg"
    assert (speech.headers["x-serinus-agent"], speech.headers["x-serinus-version"]) == (here.agent, "v1")
    assert speech.headers["x-serinus-target"] == "standin/good"
    assert (await logged(capfd))["cost_usd"] is None


async def test_files_are_the_only_providers(serve: Serve) -> None:
    """No agent is named and one provider speaks OpenAI's API: it is that one. Upload, list, read and delete."""
    here = await serve()
    files = here.sdk().files
    made = await files.create(file=("a.jsonl", SOUND), purpose="batch")
    assert made.bytes == len(SOUND)
    assert (await files.content(made.id)).content == SOUND
    assert [each.id async for each in await files.list(limit=3)] == [made.id]
    assert here.received().path.endswith("/files?limit=3")
    assert (await files.delete(made.id)).deleted


@pytest.mark.parametrize("path", ["files", "files/file_1", "skills", "batches"])
@pytest.mark.parametrize("header", ["anthropic-version", "anthropic-beta"])
async def test_a_request_in_anthropics_dialect_reaches_no_openai_account(serve: Serve, path: str, header: str) -> None:
    """Anthropic's clients upload to the same path: their files are not stored at another provider."""
    here = await serve()
    headers = {header: "files-api-2025-04-14"}
    answer = await here.http.post(f"{here.base_url}/{path}", headers=headers, files={"file": ("a", SOUND)})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert not here.standin.requests


async def test_two_formats_of_one_account_are_one_provider(serve: Serve) -> None:
    """Files, and all else that names no agent, go to the account, in whichever format it is configured as well."""
    here = await serve(api="openai-responses")
    made = await here.sdk().files.create(file=("a.jsonl", SOUND), purpose="batch")
    assert (await here.sdk().files.content(made.id)).content == SOUND


async def test_a_moderation_with_and_without_a_model(serve: Serve) -> None:
    """With one it is the agent's; without, the provider's own default holds."""
    here = await serve()
    assert not (await here.sdk().moderations.create(model=here.agent, input="hi")).results[0].flagged
    assert here.received_json() == {"model": "good", "input": "hi"}
    assert not (await here.sdk().moderations.create(input="hi")).results[0].flagged
    assert here.received_json() == {"input": "hi"}


async def test_an_agent_named_in_the_query(serve: Serve) -> None:
    """`?model=` and `?agent=` say whose provider; neither reaches it, the rest of the query does."""
    here = await serve(api="openai-responses")
    for name in ("model", "agent"):
        answer = await here.http.get(f"{here.base_url}/files?{name}={here.agent}%40v1&limit=2&key=secret")
        assert (answer.status_code, answer.headers["x-serinus-target"]) == (200, "standin-responses/good")
        assert here.received().path == "/v1/files?limit=2"


async def test_a_response_is_fetched_and_cancelled_where_it_is(serve: Serve) -> None:
    """At the provider that gives out such ids; in words of OpenAI's what it refuses."""
    here = await serve(api="openai-responses")
    made = await here.sdk().responses.create(model=here.agent, input="hi")
    assert (await here.sdk().responses.retrieve(made.id)).id == made.id
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        await here.sdk().responses.cancel(made.id)


async def test_a_response_of_our_own(serve: Serve) -> None:
    """Answers that were written here are stored nowhere: not found, and no provider is asked."""
    here = await serve()
    made = await here.sdk().responses.create(model=here.agent, input="hi")
    asked = len(here.standin.requests)
    with pytest.raises(openai.NotFoundError) as caught:
        await here.sdk().responses.retrieve(made.id)
    assert caught.value.param == "id" and len(here.standin.requests) == asked


async def test_no_agent_and_several_accounts(serve: Serve) -> None:
    """A 400 that says how to name one."""
    here = await serve(api="openai-responses")
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    settings["providers"]["standin"]["headers"] = {"OpenAI-Project": "another"}
    write(here.running.folder, {"gateway.yaml": settings})
    here.running.reload()
    with pytest.raises(openai.BadRequestError, match=r"'\?model=' in the query") as caught:
        await here.sdk().files.list()
    assert caught.value.param == "model"


@pytest.mark.parametrize("api", ["anthropic", "gemini"])
async def test_providers_without_such_endpoints(serve: Serve, api: str) -> None:
    """404, naming the provider's API; it hears nothing."""
    here = await serve(api=api)
    with pytest.raises(openai.NotFoundError, match=f"`api: {api}`"):
        await here.sdk().images.generate(model=here.agent, prompt="a bird")
    assert PROVIDERS[api] != "standin" and not here.standin.requests


async def test_who_may(serve: Serve) -> None:
    """No key, 401. A key for some agents must name one of them."""
    keys = {"app": {"sha256": hashlib.sha256(b"k").hexdigest(), "agents": []}}
    here = await serve(gateway={"keys": keys})
    url, key = f"{here.base_url}/files", {"authorization": "Bearer k"}
    assert (await here.http.get(url)).status_code == 401
    assert (await here.http.get(url, headers=key)).status_code == 400
    assert (await here.http.get(f"{url}?model={here.agent}", headers=key)).status_code == 403
    assert not here.standin.requests


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/", "/v1/%2e%2e/a", "/v1/files/..;/a", "/v1/files/..%2f..%2fa", "/v1/a%5c.."),
        *("/v1/organization/admin_api_keys", "/v1/realtime/client_secrets", "/v1/chatkit/sessions"),
        *("/v1/realtime%20/client_secrets", "/v1/realtime./sessions", "/v1/real%2574ime/x", "/v1/organization%20/x"),
        *("/v1/%20organization", "/v1/organization%00/x", "/v1/Real%E2%80%8Btime/x", "/v1/%EF%BD%92ealtime/x"),
        *(
            "/v1/%252e%252e/x",
            "/v1/files/%0a",
            "/v1/files/a%252fb",
            "/v1/files/%C2%85",
        ),
    ],
)
async def test_paths_that_are_not_passed(serve: Serve, path: str) -> None:
    """What leaves the provider's base URL, manages its account or makes keys to it is nowhere."""
    here = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(here.running.url.rpartition(":")[2]))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404") and b"unknown_url" in answer
    assert not here.standin.requests


ELSEWHERE = [
    *("key", "keys", "auth/keys", "credits", "usage", "projects", "load_lora_adapter", "batch/jobs", "fine-tunes"),
    *("agents/completions", "chat/other", "Files", "files%20", "%20threads", "batches.", "batches%20", "threads;x"),
]


@pytest.mark.parametrize("path", [*ELSEWHERE, "batches", "threads"])
async def test_a_key_for_some_agents_reaches_what_is_known(serve: Serve, path: str) -> None:
    """Operators' endpoints of other providers, and what runs any model, are not for it, however they are spelled."""
    key = {"sha256": hashlib.sha256(b"k").hexdigest()}
    here = await serve(gateway={"keys": {"app": key}})
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    write(here.running.folder, {"gateway.yaml": {**settings, "keys": {"app": {**key, "agents": [here.agent]}}}})
    here.running.reload()
    headers = {"authorization": "Bearer k"}
    answer = await here.http.post(f"{here.base_url}/{path}?model={here.agent}", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert not here.standin.requests


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":7}', b'{"model":""}', b'{"model":"a","model":"b"}'])
async def test_bad_bodies(serve: Serve, body: bytes) -> None:
    """400 in OpenAI's shape."""
    here = await serve()
    headers = {"content-type": "application/json"}
    answer = await here.http.post(f"{here.base_url}/images/generations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_an_unknown_agent(serve: Serve) -> None:
    """A provider's own model name is no agent."""
    here = await serve()
    with pytest.raises(openai.NotFoundError) as caught:
        await here.sdk().images.generate(model="gpt-image-1", prompt="a bird")
    assert caught.value.code == "model_not_found"


async def test_a_providers_error_is_told_once(serve: Serve) -> None:
    """Its status and words, after one attempt, for what went up may not go up twice."""
    here = await serve(gateway={"retries": {"per_target": 2}})
    here.standin.behave("good", failing("status"))
    with pytest.raises(openai.InternalServerError):
        await here.sdk().images.generate(model=here.agent, prompt="a bird")
    assert len(here.standin.requests) == 1
    assert (await booked(here)).errors == 1


async def test_a_refused_key_is_ours_to_explain(serve: Serve) -> None:
    """The provider's 401 is a 502 in our words."""
    here = await serve()
    refused = b'HTTP/1.1 401 No\r\ncontent-length: 26\r\n\r\n{"error":{"message":"sk"}}'
    async with standing_in(here, once(refused)):
        for query in ("", f"?model={here.agent}"):
            answer = await here.http.get(f"{here.base_url}/files{query}")
            assert (answer.status_code, "sk" in answer.json()["error"]["message"]) == (502, False)


async def test_the_answer_is_relayed_as_it_comes(serve: Serve) -> None:
    """The first bytes are with the client before the last have left the provider."""
    here, go = await serve(), asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 6\r\nset-cookie: a=b\r\n\r\none")
        await go.wait()
        writer.write(b"two")
        writer.close()

    url = f"{here.base_url}/files/x/content"
    async with standing_in(here, slowly), asyncio.timeout(10), here.http.stream("GET", url) as answer:
        chunks = answer.aiter_bytes()
        assert await anext(chunks) == b"one"
        go.set()
        assert await anext(chunks) == b"two"
    assert answer.headers["content-type"] == "a/b" and "set-cookie" not in answer.headers


async def test_a_broken_answer_does_not_look_whole(serve: Serve) -> None:
    """Where the provider leaves in the middle, so do we."""
    here = await serve()
    cut = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"
    async with standing_in(here, once(cut)):
        for query in ("", f"?model={here.agent}"):
            with pytest.raises(httpx2.TransportError):
                await here.http.get(f"{here.base_url}/files/x/content{query}")
    assert (await booked(here)).errors == 1


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"content-length: 5", "upstream_truncated"),
        (b"transfer-encoding: chunked", "upstream_truncated"),
        (b"transfer-encoding: chunked\r\n\r\nno size", "upstream_malformed"),
        (b"content-encoding: br\r\ncontent-length: 2\r\n\r\n{}", "upstream_malformed"),
        (b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}", "upstream_malformed"),
        (b"content-type: text/event-stream\r\ntransfer-encoding: chunked", "upstream_truncated"),
    ],
)
async def test_a_provider_that_breaks_behind_its_head(serve: Serve, head: bytes, code: str) -> None:
    """As long as nothing has gone out, the client gets the typed 502 that calls get, and the version has failed."""
    here = await serve()
    async with standing_in(here, once(b"HTTP/1.1 200 OK\r\n" + head + (b"" if b"\r\n\r\n" in head else b"\r\n\r\n"))):
        for query in ("", f"?model={here.agent}"):
            answer = await here.http.get(f"{here.base_url}/files/x/content{query}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, code)
            assert answer.headers["content-type"] == "application/json" and "content-encoding" not in answer.headers
    assert (await booked(here)).errors == 1


async def test_a_provider_that_stalls(serve: Serve) -> None:
    """Before its answer that is a 504; in a stream, an error event and an early end."""
    here = await serve(gateway={"timeouts": {"answer": "200ms", "between_chunks": "200ms"}})

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/stream" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()
        writer.close()

    async with standing_in(here, silent), asyncio.timeout(10):
        late = await here.http.get(f"{here.base_url}/files")
        assert (late.status_code, late.json()["error"]["code"]) == (504, "upstream_timeout")
        got = b""
        with pytest.raises(httpx2.TransportError):
            async with here.http.stream("GET", f"{here.base_url}/stream") as answer:
                async for chunk in answer.aiter_bytes():
                    got += chunk
    assert got.startswith(b"data: 1\n\ndata: {") and b"upstream_timeout" in got


async def test_a_client_that_leaves(serve: Serve) -> None:
    """The provider sees it at once, before and in the middle of its answer."""
    here, left = await serve(), asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        left.set()
        writer.close()

    async with standing_in(here, patient), asyncio.timeout(10):
        asking = asyncio.create_task(here.http.get(f"{here.base_url}/files?model={here.agent}"))
        await asyncio.sleep(0.2)
        asking.cancel()
        await left.wait()
    assert (await booked(here)).errors == 0


async def test_a_streams_usage_is_read_as_it_passes(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """From the event that has it, in pieces or not; the bytes stay what they were."""
    here = await serve()
    event = b'event: image_generation.completed\ndata: {"usage":{"input_tokens":5,"output_tokens":7}}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    async with standing_in(here, once(head + b"data: {}\n\n" + event)):
        url = f"{here.base_url}/images/generations"
        answer = await here.http.post(url, json={"model": here.agent, "prompt": "a", "stream": True})
    assert answer.content == b"data: {}\n\n" + event
    line = await logged(capfd)
    assert (line["input_tokens"], line["output_tokens"]) == (5, 7)


async def test_passed_calls_say_nothing_in_a_trial(serve: Serve) -> None:
    """A canary serves its share of them, and their failures are not its evidence."""
    here = await serve(routing={"canary": "v2", "weight": "50%"}, files={"v2.yaml": {"model": "standin/bad"}})
    here.standin.behave("bad", failing("status"))
    url = f"{here.base_url}/images/generations"
    answers = [await here.http.post(url, json={"model": here.agent, "prompt": str(n)}) for n in range(24)]
    versions = {each.headers["x-serinus-version"]: each.status_code for each in answers}
    assert versions == {"v1": 200, "v2": 500}
    await booked(here)
    state = (await here.running.gateway.services.status.agents([here.agent]))[here.agent]
    assert state.phase == "running" and state.versions["v2"].requests == 0


async def test_bytes_that_are_no_json_and_no_form(serve: Serve) -> None:
    """They go up as they are, with their type, their method and what headers may pass."""
    here = await serve()
    headers = {"content-type": "a/b; c=d", "openai-beta": "x=1", "cookie": "a=b", "accept": "audio/*"}
    url = f"{here.base_url}/uploads/u%20é/parts?agent={here.agent}&x=1"
    answer = await here.http.put(url, content=SOUND, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")  # the provider's word
    received = here.received()
    assert (received.method, received.path) == ("PUT", "/v1/uploads/u%20%C3%A9/parts?x=1")
    assert received.raw_body == SOUND
    assert [received.header(name) for name in headers] == ["a/b; c=d", "x=1", None, "audio/*"]


async def test_a_form_without_a_model(serve: Serve) -> None:
    """The query names the agent; the form stays as it is."""
    here = await serve(api="openai-responses")
    made = await here.sdk().files.create(file=("a", b"x"), purpose="batch", extra_query={"model": here.agent})
    assert made.bytes == 1 and here.received().path == "/v1/files"


async def test_head(serve: Serve) -> None:
    """An answer without a body, and its length all the same."""
    here = await serve()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-type: a/b\r\n\r\n"
    async with standing_in(here, once(head)):
        answer = await here.http.head(f"{here.base_url}/files/x/content")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "9", b"")


async def test_a_line_for_what_no_agent_is_named_for(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """Who asked, of whom, and how it ended; ids of files are nobody's business."""
    here = await serve()
    assert (await here.http.get(f"{here.base_url}/files/secret-id")).status_code == 404
    line = await logged(capfd, "passed")
    assert {name: line[name] for name in ("caller", "provider", "method", "status", "end")} == {
        "caller": "open", "provider": "standin", "method": "GET", "status": 404, "end": "failed",
    }  # fmt: skip
    assert "secret-id" not in json.dumps(line)


async def test_no_provider_of_openais(serve: Serve) -> None:
    """404 where nobody could have it."""
    provider = {"standin": {"api": "anthropic", "base_url": "http://127.0.0.1:1", "api_key": "${PROVIDER_KEY}"}}
    here = await serve(gateway={"providers": provider}, version={"max_tokens": 50})
    answer = await here.http.get(f"{here.base_url}/files")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert "no provider here speaks OpenAI's API" in answer.json()["error"]["message"]


async def test_a_usage_in_an_answer_too_large_to_keep(serve: Serve) -> None:
    """It is relayed whole, and not metered."""
    here = await serve()
    body = b'{"x":"' + b"a" * (9 << 20) + b'","usage":{"input_tokens":1,"output_tokens":1}}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with standing_in(here, once(head + body)):
        answer = await here.http.post(f"{here.base_url}/images/generations", json={"model": here.agent, "prompt": "a"})
    assert answer.content == body


async def test_a_client_that_does_not_read(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """It uses up its own time: the call ends, the provider is let go of, and nobody is blamed."""
    here, left = await serve(gateway={"timeouts": {"total": "500ms", "answer": "500ms"}}), asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        left.set()

    async with standing_in(here, endless), asyncio.timeout(10):
        _, client = await asyncio.open_connection("127.0.0.1", int(here.running.url.rpartition(":")[2]), limit=1)
        client.write(f"GET /v1/files/x/content?model={here.agent} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        line = await logged(capfd)
        await left.wait()
        client.transport.abort()
    assert (line["end"], line["failed"], line["failure"]) == ("client_gone", False, None)


async def test_a_providers_own_headers(serve: Serve) -> None:
    """The account that the configuration names goes with every request; a client's never does."""
    here = await serve()
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    settings["providers"]["standin"]["headers"] = {"OpenAI-Project": "proj_ours", "OpenAI-Beta": "ours=1"}
    write(here.running.folder, {"gateway.yaml": settings})
    here.running.reload()
    theirs = {"OpenAI-Organization": "org-theirs", "OpenAI-Project": "proj_theirs", "OpenAI-Beta": "theirs=1"}
    for asked in (here.chat(theirs), here.http.get(f"{here.base_url}/files", headers=theirs)):
        assert (await asked).status_code == 200
        received = here.received()
        assert [received.header(name.lower()) for name in theirs] == [None, "proj_ours", "ours=1"]


@pytest.mark.parametrize("fault", [False, True])
async def test_an_error_is_nothing_to_score(serve: Serve, fault: bool) -> None:
    """The id of a passed call says whether its provider answered it."""
    here = await serve()
    if fault:
        here.standin.behave("good", failing("status"))
    body = {"model": here.agent, "prompt": "a bird"}
    answer = await here.http.post(f"{here.base_url}/images/generations", json=body)
    assert (answer.status_code == 200) is not fault
    score = {"call_id": answer.headers["x-serinus-call-id"], "score": 0}
    found = (await here.http.post(f"{here.base_url}/feedback", json=score)).json()
    assert found["counts"] is False and ("no version answered" in found["why"]) is fault


@pytest.mark.parametrize("path", ["evals", "Batches", "fine_tuning/jobs", "threads/runs"])
async def test_no_agent_within_members(serve: Serve, path: str) -> None:
    """What makes a provider run models within members may not name an agent there: it is no model of the provider's."""
    here = await serve()
    nested = {"testing_criteria": [{"grader": {"model": here.agent}}]}
    refused = await here.http.post(f"{here.base_url}/{path}", json=nested)
    assert refused.json()["error"]["param"] == "testing_criteria.0.grader.model", refused.text
    named = await here.http.post(f"{here.base_url}/{path}", json={"model": here.agent, "input": {"model": "good"}})
    assert named.status_code != 400 and here.received_json()["model"] == "good"
