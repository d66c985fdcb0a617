"""Bodies that are passed through go up as they come: whole or not at all, with the version's model, at every pace."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from gateway.passthrough.uploads import takes_uploads
from tests.gateway.api.passed import booked, logged
from tests.support.calling import Place, eventually, standing_in
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
TOO_LARGE = b"HTTP/1.1 413 No\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\r\n"
TOO_LARGE += b'{"error":{"message":"too large"}}'
KIND = "multipart/form-data; boundary=cut"
PIECE = b"x" * 65536
END = b"--cut--\r\n"
TRANSPORTS = pytest.mark.parametrize("transport", ["lean", "standard"])


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--cut\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def file(content: bytes = PIECE) -> bytes:
    return part("file", content, '; filename="a"')


@dataclass
class Provider:
    """Takes in one request after the other; `seen` is all of the last. Answers at the end of a body, or with `early`
    once its head is in; reads nothing before `go`."""

    early: bytes = b""
    seen: bytearray = field(default_factory=bytearray)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    whole: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.seen.clear()
        try:
            self.seen += await reader.readuntil(b"\r\n\r\n")
            if self.early:
                writer.write(self.early)
            await self.go.wait()
            while not self._is_whole() and (data := await reader.read(65536)):
                self.seen += data
            if self._is_whole():
                self.whole += 1
                writer.write(OK)
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        self.left.set()
        writer.transport.abort()

    @property
    def head(self) -> str:
        return bytes(self.seen).partition(b"\r\n\r\n")[0].decode().lower()

    @property
    def body(self) -> bytes:
        """What came of the body, its framing removed."""
        rest = bytes(self.seen).partition(b"\r\n\r\n")[2]
        if "transfer-encoding: chunked" not in self.head:
            return rest
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body

    def _is_whole(self) -> bool:
        if "transfer-encoding: chunked" in self.head:
            return self.seen.endswith(b"0\r\n\r\n")
        length = self.head.partition("content-length: ")[2].partition("\r\n")[0]
        return len(self.seen.partition(b"\r\n\r\n")[2]) >= int(length or 0)


@asynccontextmanager
async def provider(
    here: Place, transport: str = "lean", early: bytes = b"", reads: bool = True
) -> AsyncIterator[Provider]:
    """The agent's provider is this one for a while, reached over that transport."""
    acting = Provider(early)
    if reads:
        acting.go.set()
    path = here.running.folder / "gateway.yaml"
    settings = json.loads(path.read_text())
    settings["providers"]["standin"]["transport"] = transport
    path.write_text(json.dumps(settings))
    async with standing_in(here, acting):
        yield acting
        acting.go.set()
        if not reads:
            await acting.left.wait()


class Client:
    """A client that sends a body by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, here: Place, path: str, *headers: str) -> "Client":
        client = cls(*await asyncio.open_connection("127.0.0.1", int(here.running.url.rpartition(":")[2])))
        here.stack.push_async_callback(client.leave)
        lines = [f"POST /v1{path} HTTP/1.1", "host: localhost", *headers]
        client.writer.write("\r\n".join([*lines, "", ""]).encode())
        return client

    async def leave(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body


async def pieces(count: int, *around: bytes) -> AsyncIterator[bytes]:
    """A body without a length: `around` before and behind so many pieces."""
    for before in around[:1]:
        yield before
    for _ in range(count):
        yield PIECE
    for after in around[1:]:
        yield after


@TRANSPORTS
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_bytes_with_and_without_a_length(serve: Serve, transport: str, is_chunked: bool) -> None:
    """The length that the client gave goes up with them; chunks go up as chunks."""
    here = await serve()
    async with provider(here, transport) as upstream:
        content = pieces(40) if is_chunked else PIECE * 40
        answer = await here.http.post(f"{here.base_url}/uploads/x?model={here.agent}", content=content)
    assert answer.status_code == 200 and upstream.body == PIECE * 40
    assert ("content-length: 2621440" in upstream.head) is not is_chunked
    assert ("transfer-encoding: chunked" in upstream.head) is is_chunked


@TRANSPORTS
async def test_a_model_before_the_file(serve: Serve, transport: str) -> None:
    """Streamed with the version's model in its place, and with a length that is right again."""
    here = await serve()
    body = part("model", here.agent.encode()) + file(PIECE * 20) + END
    async with provider(here, transport) as upstream:
        answer = await here.http.post(
            f"{here.base_url}/audio/transcriptions", content=body, headers={"content-type": KIND}
        )
    assert answer.status_code == 200
    assert upstream.body == part("model", b"good") + file(PIECE * 20) + END
    assert f"content-length: {len(upstream.body)}" in upstream.head


async def test_a_model_behind_the_file(serve: Serve) -> None:
    """Held until it comes, then streamed."""
    here = await serve()
    body = file() + part("model", here.agent.encode()) + part("more", PIECE) + END
    async with provider(here) as upstream:
        answer = await here.http.post(f"{here.base_url}/images/edits", content=body, headers={"content-type": KIND})
    assert answer.headers["x-serinus-target"] == "standin/good"
    assert upstream.body == body.replace(here.agent.encode(), b"good")
    assert f"content-length: {len(upstream.body)}" in upstream.head


async def test_a_model_too_far_behind(serve: Serve) -> None:
    """413, with the way out; the provider hears nothing."""
    here = await serve(gateway={"limits": {"body": "100kB"}})
    body = file(PIECE * 4) + part("model", here.agent.encode()) + END
    async with provider(here) as upstream:
        answer = await here.http.post(f"{here.base_url}/images/edits", content=body, headers={"content-type": KIND})
    assert answer.status_code == 413 and upstream.connections == 0
    assert "put 'model' before the file, or name it in the query" in answer.json()["error"]["message"]


@TRANSPORTS
async def test_a_model_in_the_query(serve: Serve, transport: str) -> None:
    """The way out: streamed at once, beyond the bound of what is held, and the form's model is replaced wherever it
    comes. Nobody knows the length then."""
    here = await serve(gateway={"limits": {"body": "100kB"}})
    body = file(PIECE * 40) + part("model", b"whisper-1") + END
    url = f"{here.base_url}/audio/transcriptions?model={here.agent}"
    async with provider(here, transport) as upstream:
        answer = await here.http.post(url, content=body, headers={"content-type": KIND})
    assert answer.status_code == 200
    assert upstream.body == body.replace(b"whisper-1", b"good")
    assert "transfer-encoding: chunked" in upstream.head


async def test_a_form_without_a_model(serve: Serve) -> None:
    """Endpoints whose forms have none are not searched for one: streamed at once, unchanged, with their length."""
    here = await serve(gateway={"limits": {"body": "100kB"}})
    body = part("purpose", b"batch") + file(PIECE * 40) + END
    async with provider(here) as upstream:
        for query in ("", f"?model={here.agent}"):
            url = f"{here.base_url}/files{query}"
            answer = await here.http.post(url, content=body, headers={"content-type": KIND})
            assert answer.status_code == 200 and upstream.body == body
            assert f"content-length: {len(body)}" in upstream.head


@pytest.mark.parametrize("behind", [part("model", b"x") + END, b"--cut\r\nx: "], ids=["two models", "an early end"])
async def test_a_form_that_turns_out_bad(serve: Serve, behind: bytes) -> None:
    """400, and no whole request has reached the provider."""
    here = await serve()
    body = pieces(20, part("model", here.agent.encode()) + file(b"")[:-2], b"\r\n" + behind)
    async with provider(here) as upstream:
        answer = await here.http.post(
            f"{here.base_url}/audio/transcriptions", content=body, headers={"content-type": KIND}
        )
        await upstream.left.wait()
    assert (answer.status_code, upstream.whole) == (400, 0)
    assert (await booked(here)).errors == 0


async def test_json_is_held_to_the_bound_of_what_is_read(serve: Serve) -> None:
    """413 beyond `limits.body`, by its length and by what comes; anything else may be as large as an upload."""
    here = await serve(gateway={"limits": {"body": "100kB", "upload": "1MB"}})
    url, kind = f"{here.base_url}/images/generations", {"content-type": "application/json"}
    async with provider(here) as upstream:
        for content in (PIECE * 2, pieces(2)):
            answer = await here.http.post(url, content=content, headers=kind)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
        assert (await here.http.post(f"{here.base_url}/uploads/x", content=PIECE * 17)).status_code == 413
        assert (await here.http.post(f"{here.base_url}/uploads/x", content=pieces(17))).status_code == 413
        assert (await here.http.post(f"{here.base_url}/uploads/x", content=PIECE * 2)).status_code == 200
    assert upstream.whole == 1


@TRANSPORTS
async def test_an_early_answer_is_relayed_at_once(serve: Serve, transport: str) -> None:
    """The client hears the 413 while it still has bytes to send; its connection closes, and so does the provider's."""
    here = await serve()
    async with provider(here, transport, early=TOO_LARGE) as upstream:
        client = await Client.of(here, f"/uploads/x?model={here.agent}", "content-length: 500000000")
        client.writer.write(PIECE)
        status, headers, body = await client.answer()
        await upstream.left.wait()
        client.writer.transport.abort()
    assert (status, json.loads(body)["error"]["message"]) == (413, "too large")
    assert headers["connection"] == "close" and upstream.whole == 0
    assert (await booked(here)).errors == 0


@TRANSPORTS
@pytest.mark.parametrize("framing", ["content-length: 500000000", "transfer-encoding: chunked"])
async def test_a_client_that_breaks_off(serve: Serve, transport: str, framing: str) -> None:
    """The provider's connection is closed within 100 ms, and it has seen no whole request."""
    here = await serve()
    async with provider(here, transport) as upstream:
        client = await Client.of(here, f"/uploads/x?model={here.agent}", framing)
        client.writer.write(PIECE if "length" in framing else b"10000\r\n" + PIECE + b"\r\n")
        await eventually(lambda: len(upstream.seen) > len(PIECE))
        begun = asyncio.get_running_loop().time()
        client.writer.transport.abort()
        await upstream.left.wait()
        assert asyncio.get_running_loop().time() - begun < 0.1 * 3  # the machine's part
    assert upstream.whole == 0
    assert (await booked(here)).errors == 0


async def test_who_may_not_call_sends_nothing(serve: Serve) -> None:
    """The key is looked at before the body is asked for: a client that waits for 100-continue never gets it."""
    here = await serve(gateway={"keys": {"app": {"sha256": hashlib.sha256(b"k").hexdigest(), "agents": []}}})
    client = await Client.of(here, "/files", "content-length: 1000000", "expect: 100-continue")
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (401, "close")
    assert not here.standin.requests


@TRANSPORTS
async def test_a_provider_that_takes_nothing(serve: Serve, transport: str) -> None:
    """The client is made to wait, and after `between_chunks` told 504; little was taken from it."""
    here = await serve(gateway={"timeouts": {"between_chunks": "500ms"}})
    async with provider(here, transport, reads=False):
        client = await Client.of(here, f"/uploads/x?model={here.agent}", "content-length: 500000000")
        sent, sending = 0, asyncio.create_task(client.answer())
        while not sending.done():
            client.writer.write(PIECE)
            sent += len(PIECE)
            await asyncio.wait({sending, asyncio.ensure_future(client.writer.drain())}, return_when="FIRST_COMPLETED")
        status, _, body = await sending
        client.writer.transport.abort()
    assert (status, json.loads(body)["error"]["code"]) == (504, "upstream_timeout")
    assert sent < 250_000_000, "kernels hold some; without a wait all 500 MB would have gone"
    assert (await booked(here)).errors == 1


async def test_a_slow_client_uses_up_nobodys_time(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """Its upload may take longer than `total`; the time of the call counts from the upload's end."""
    here = await serve(gateway={"timeouts": {"total": "400ms", "answer": "400ms", "between_chunks": "400ms"}})
    async with provider(here) as upstream:
        client = await Client.of(here, f"/uploads/x?model={here.agent}", "content-length: 7")
        for byte in range(7):
            client.writer.write(b"%d" % byte)
            await asyncio.sleep(0.1)
        assert (await client.answer())[0] == 200
    assert upstream.body == b"0123456"
    line = await logged(capfd)
    assert line["end"] == "answered" and line["latency"] < 0.5


@TRANSPORTS
async def test_a_provider_that_breaks_off(serve: Serve, transport: str) -> None:
    """502 after one attempt."""
    here = await serve(gateway={"retries": {"per_target": 2}})
    connections = 0

    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(10_000)
        writer.transport.abort()

    async with provider(here, transport), standing_in(here, gone):
        answer = await here.http.post(f"{here.base_url}/uploads/x?model={here.agent}", content=pieces(100))
    assert (answer.status_code, answer.json()["error"]["code"], connections) == (502, "upstream_lost", 1)


async def test_a_client_without_a_body(serve: Serve) -> None:
    """Nothing is waited for, and the connection stays."""
    here = await serve()
    async with provider(here) as upstream:
        client = await Client.of(here, f"/batches/b/cancel?model={here.agent}")
        assert (await client.answer())[0] == 200
    assert "content-length: 0" in upstream.head


def test_what_is_read_here_is_no_upload(serve: Serve) -> None:
    """Every path of our own has the bound of bodies that are read; what is passed has the uploads'."""
    ours = ["chat/completions", "completions", "embeddings", "messages", "messages/count_tokens", "responses", "models"]
    ours += ["models/a:generateContent", "feedback", "escalations", "escalations/a/reply"]
    assert not any(takes_uploads(f"/v1/{path}") for path in ours)
    assert not takes_uploads("/v1beta/models/a:generateContent") and not takes_uploads("/admin/agents/a/pause")
    passed = ["files", "uploads/a/parts", "audio/transcriptions", "images/edits", "responses/a/cancel", "modelsx"]
    assert all(takes_uploads(f"/v1/{path}") for path in passed)


JSON = b'{"model":"gpt-expensive","input":"hi"}'
KINDS = ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded", "text/json", "multipart/mixed"]


@pytest.mark.parametrize("kind", [*KINDS, "application/json;x", "application/vnd.api+json", ""])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET", "DELETE"])
async def test_no_content_type_hides_a_model(serve: Serve, kind: str, method: str) -> None:
    """JSON that is called something else never reaches the provider: it is read as JSON, or refused."""
    here = await serve()
    headers = {"content-type": kind} if kind else {}
    url = f"{here.base_url}/audio/speech?model={here.agent}"
    async with provider(here) as upstream:
        answer = await here.http.request(method, url, content=JSON, headers=headers)
    wanted = 415 if kind in (*KINDS, "application/vnd.api+json") else 404  # there is no such agent
    assert (answer.status_code, upstream.connections) == (wanted, 0)


async def test_the_bodys_model_decides(serve: Serve) -> None:
    """Whatever the query says, it is the body's agent that serves, and that the key must be allowed."""
    here = await serve(files={"../of-the-key/v1.yaml": {"model": "standin/good"}})
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    settings["keys"] = {"app": {"sha256": hashlib.sha256(b"k").hexdigest(), "agents": ["of-the-key"]}}
    agents = {name: {"stable": "v1"} for name in (here.agent, "of-the-key")}
    write(here.running.folder, {"gateway.yaml": settings, "routing.yaml": {"agents": agents}})
    url, key = f"{here.base_url}/audio/speech?model=of-the-key", {"authorization": "Bearer k"}
    async with provider(here) as upstream:
        answer = await here.http.post(url, json={"model": here.agent}, headers=key)
        assert (answer.status_code, upstream.connections) == (403, 0)
        answer = await here.http.post(url, json={"input": "hi"}, headers=key)
        assert (answer.status_code, json.loads(upstream.body)) == (200, {"input": "hi", "model": "good"})


@pytest.mark.parametrize("body", [b'{"model":"%s","Model":"x"}', b'{"MODEL":"x"}', b'{"model":"%s","mod\\u0065l":"x"}'])
async def test_one_model_in_a_body(serve: Serve, body: bytes) -> None:
    """Neither twice, nor in a spelling that readers without regard for case take for it."""
    here = await serve()
    async with provider(here) as upstream:
        content, headers = body.replace(b"%s", here.agent.encode()), {"content-type": "application/json"}
        url = f"{here.base_url}/images/generations?model={here.agent}"
        answer = await here.http.post(url, content=content, headers=headers)
    assert (answer.status_code, upstream.connections) == (400, 0)


async def test_what_is_read_as_json_goes_up_as_json(serve: Serve) -> None:
    """No charset makes anything else of it at the provider."""
    here = await serve()
    headers = {"content-type": "application/json; charset=utf-7"}
    async with provider(here) as upstream:
        await here.http.post(f"{here.base_url}/images/generations", json={"model": here.agent}, headers=headers)
    assert "content-type: application/json\r\n" in upstream.head and "utf-7" not in upstream.head


async def test_a_form_goes_up_under_its_plain_type(serve: Serve) -> None:
    """With the boundary that was read, and nothing that another reader takes another from."""
    here = await serve()
    async with provider(here) as upstream:
        headers = {"content-type": 'Multipart/Form-Data; charset=utf-7; BOUNDARY="cut"'}
        body = part("model", here.agent.encode()) + END
        await here.http.post(f"{here.base_url}/images/edits", content=body, headers=headers)
    assert "content-type: multipart/form-data; boundary=cut\r\n" in upstream.head


@pytest.mark.parametrize("path", ["batches", "evals", "fine_tuning/jobs", "threads/runs", "Batches;x", "assistants/a"])
async def test_a_scoped_key_runs_no_model_by_another_name(serve: Serve, path: str) -> None:
    """What names its models in files or deeper is for keys without a scope."""
    here = await serve(gateway={"keys": {"app": {"sha256": hashlib.sha256(b"k").hexdigest(), "agents": []}}})
    url = f"{here.base_url}/{path}?model={here.agent}"
    answer = await here.http.post(url, json={"input_file_id": "f"}, headers={"authorization": "Bearer k"})
    assert (answer.status_code, "runs any model" in answer.json()["error"]["message"]) == (403, True)
    assert not here.standin.requests


@pytest.mark.parametrize("path", ["engines/gpt/completions", "deployments/gpt/chat/completions"])
async def test_a_path_that_names_a_model(serve: Serve, path: str) -> None:
    """It is nowhere: no agent's model decides there."""
    here = await serve()
    answer = await here.http.post(f"{here.base_url}/{path}?model={here.agent}", json={"prompt": "hi"})
    assert (answer.status_code, len(here.standin.requests)) == (404, 0)
