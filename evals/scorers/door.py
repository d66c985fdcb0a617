"""The door through which evaluators ask their judges: an HTTP server on loopback, for one run.

It speaks chat completions and embeddings as OpenAI's clients do. Each child has a key of its own, which stands for the
targets that its evaluator may ask; the model that a request names counts for nothing. So a package that knows only
OpenAI asks any configured provider, and each call is priced and counted against the limit of the run.
"""

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from evals.checks.graders import GraderUnavailable
from evals.running.cost_limit import LimitReached
from evals.running.judges import Judges
from evals.running.targets import TargetFailed
from evals.scorers.evaluator import Evaluator

_HEAD_BYTES: Final = 1 << 16
_BODY_BYTES: Final = 16 << 20
_PREFIX: Final = "/v1"
_REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 404: "Not Found"}
_OWN: Final = ("model", "stream", "stream_options", "store", "metadata", "user")  # of the request, not of the question


class DoorRefusal(Exception):
    """The door answers with an error. Its statuses are none that clients try again."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class DoorGuest:
    """A child that may ask: its evaluator, its calls under way, and the limit that one of them met."""

    evaluator: Evaluator
    calls: set[asyncio.Task[Any]] = field(default_factory=set)
    limit: LimitReached | None = None


class JudgeDoor:
    """The server. It opens with the first guest, and closes with the run."""

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self._guests: dict[str, DoorGuest] = {}
        self._opening = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    async def admit(self, evaluator: Evaluator) -> tuple[str, dict[str, str]]:
        """Return a key for a child of the evaluator, and the variables that lead it here."""
        judge = evaluator.judge or self._judges.usual
        if judge is None and evaluator.embedder is None:
            return "", {}
        async with self._opening:
            if self._server is None:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_BYTES)
        key = f"serinus-{secrets.token_urlsafe(32)}"
        self._guests[key] = DoorGuest(evaluator)
        url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{_PREFIX}"
        variables = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": url, "OPENAI_API_BASE": url, "NO_PROXY": "127.0.0.1"}
        models = {"SERINUS_JUDGE": judge, "SERINUS_EMBEDDER": evaluator.embedder}
        return key, variables | {name: target for name, target in models.items() if target is not None}

    def limit_of(self, key: str) -> LimitReached | None:
        """Return the limit of cost that a call of the child met, if any."""
        guest = self._guests.get(key)
        return None if guest is None else guest.limit

    async def dismiss(self, key: str) -> None:
        """Take the key back, and end the calls that were made with it."""
        guest = self._guests.pop(key, None)
        if guest is not None:
            await _cancel(guest.calls)

    async def aclose(self) -> None:
        """Close the server and all connections."""
        for key in list(self._guests):
            await self.dismiss(key)
        if self._server is not None:
            self._server.close()
            await _cancel(self._connections)
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            while await self._answer_next(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a child that speaks no HTTP gets no answer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the next request of a connection; False at its end."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, path, *_ = (*request.split(" "), "", "")
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _BODY_BYTES:
            await _send(writer, 400, _error("a body with a Content-Length of at most 16 MiB is needed"))
            return False
        body = await reader.readexactly(int(length))
        try:
            guest = self._guest(headers.get("authorization", ""))
            status, answer = 200, await self._call(guest, method, path.partition("?")[0], body)
        except DoorRefusal as refused:
            status, answer = refused.status, _error(refused.message)
        await _send(writer, status, answer)
        return headers.get("connection", "").lower() != "close"

    def _guest(self, authorization: str) -> DoorGuest:
        given = authorization.removeprefix("Bearer ").encode("latin-1", "replace")
        for key, guest in self._guests.items():
            if hmac.compare_digest(given, key.encode()):
                return guest
        raise DoorRefusal(401, "the key is none of this run")

    async def _call(self, guest: DoorGuest, method: str, path: str, body: bytes) -> Mapping[str, Any]:
        """Ask the model as a task that ends with its guest."""
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise DoorRefusal(400, "the body is no JSON") from None
        ask = {f"{_PREFIX}/chat/completions": self._complete, f"{_PREFIX}/embeddings": self._embed}.get(path)
        if ask is None or method != "POST" or not isinstance(request, dict):
            raise DoorRefusal(404, "only POST /v1/chat/completions and /v1/embeddings are answered here")
        call = asyncio.ensure_future(ask(guest.evaluator, request))
        guest.calls.add(call)
        try:
            return await call
        except LimitReached as reached:
            guest.limit = reached
            raise DoorRefusal(402, str(reached)) from None
        except (GraderUnavailable, TargetFailed) as error:
            raise DoorRefusal(400, str(error)) from None
        finally:
            call.cancel()
            guest.calls.discard(call)

    async def _complete(self, evaluator: Evaluator, request: dict[str, Any]) -> Mapping[str, Any]:
        if request.get("stream"):
            raise DoorRefusal(400, "streams are not answered here")
        version = self._judges.version_of(evaluator.judge)
        question = {name: value for name, value in request.items() if name not in _OWN}
        answer = await self._judges.targets.complete(version, question)
        return {**answer, "model": str(request.get("model", ""))}

    async def _embed(self, evaluator: Evaluator, request: dict[str, Any]) -> Mapping[str, Any]:
        given = request.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DoorRefusal(400, "`input` must be a text or a list of texts, not of tokens")
        vectors = await self._judges.embed(evaluator.embedder, texts)
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return {"object": "list", "data": data, "model": str(request.get("model", "")), "usage": usage}


async def _send(writer: asyncio.StreamWriter, status: int, answer: Mapping[str, Any]) -> None:
    body = orjson.dumps(answer)
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}\r\n".encode() + body)
    await writer.drain()


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _error(message: str) -> Mapping[str, Any]:
    return {"error": {"message": message, "type": "serinus_evaluation", "param": None, "code": None}}
