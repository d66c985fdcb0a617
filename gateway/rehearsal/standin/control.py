"""The stand-in's own endpoints, beside the imitation: behaviours, books, the last requests, health."""

from collections.abc import Callable
from dataclasses import asdict
from urllib.parse import parse_qs, unquote

from .answers import encode
from .behaviour import BadBehaviour, merge_behaviour, read_behaviour
from .books import Books
from .models import StandinModels
from .received import KEPT_REQUESTS, Received, RequestLog
from .wire import StandinRequest, WireScript, reply

ROOT = "/standin/"
ONE = "/standin/models/"
HEALTH = "/healthz"


class Control:
    """Endpoints under /standin, and /healthz."""

    def __init__(self, models: StandinModels, books: Books, log: RequestLog) -> None:
        self._models = models
        self._books = books
        self._log = log
        self._endpoints: dict[tuple[str, str], Callable[[StandinRequest], WireScript]] = {
            ("GET", HEALTH): lambda _: _json(200, {"ok": True}),
            ("GET", "/standin/models"): lambda _: _json(200, models.all().model_dump()),
            ("GET", "/standin/calls"): lambda _: _json(200, {name: asdict(each) for name, each in books.all().items()}),
            ("DELETE", "/standin/calls"): self._reset,
            ("GET", "/standin/requests"): self._requests,
            ("GET", ONE): self._show,
            ("PUT", ONE): self._put,
            ("PATCH", ONE): self._patch,
            ("DELETE", ONE): self._forget,
        }

    def owns(self, path: str) -> bool:
        return path.startswith(ROOT) or path == HEALTH

    def answer(self, request: StandinRequest) -> WireScript:
        path = ONE if len(request.path) > len(ONE) and request.path.startswith(ONE) else request.path
        endpoint = self._endpoints.get((request.method, path))
        if endpoint is not None:
            return endpoint(request)
        methods = [method for method, known in self._endpoints if known == path]
        if methods:
            return _problem(405, f"{request.method} is not possible here; possible: {', '.join(methods)}")
        paths = [known for _, known in self._endpoints]
        return _problem(404, f"no {request.path!r} here; known: {', '.join(dict.fromkeys(paths))}")

    def _reset(self, request: StandinRequest) -> WireScript:
        self._books.reset()
        self._log.clear()
        return _json(200, {})

    def _requests(self, request: StandinRequest) -> WireScript:
        last = parse_qs(request.query).get("last", [str(KEPT_REQUESTS)])[-1]
        if not last.isascii() or not last.isdigit():
            return _problem(400, f"last: a whole number is needed (got {last!r})")
        return _json(200, {"requests": [_shown(each) for each in self._log.last(int(last[:9]))]})

    def _show(self, request: StandinRequest) -> WireScript:
        name, known = _name(request), self._models.names()
        if name not in known:
            return _problem(404, f"model {name!r} has no behaviour of its own; known: {', '.join(known) or 'none'}")
        return _json(200, self._models.get(name).behaviour.model_dump())

    def _put(self, request: StandinRequest) -> WireScript:
        try:
            behaviour = read_behaviour(request.body)
        except BadBehaviour as bad:
            return _problem(400, str(bad), bad.problems)
        self._models.behave(_name(request), behaviour)
        return self._show(request)

    def _patch(self, request: StandinRequest) -> WireScript:
        try:
            behaviour, fields = merge_behaviour(self._models.get(_name(request)).behaviour, request.body)
        except BadBehaviour as bad:
            return _problem(400, str(bad), bad.problems)
        self._models.change(_name(request), behaviour, fields)
        return self._show(request)

    def _forget(self, request: StandinRequest) -> WireScript:
        self._models.forget(_name(request))
        return _json(200, {})


def _name(request: StandinRequest) -> str:
    return unquote(request.path[len(ONE) :])


def _shown(received: Received) -> dict[str, object]:
    return {
        "method": received.method,
        "path": received.path,
        "headers": received.headers,
        "body": received.body,
        "body_bytes": received.body_bytes,
    }


def _json(status: int, value: object) -> WireScript:
    return reply(status, encode(value))


def _problem(status: int, message: str, problems: list[str] | None = None) -> WireScript:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return _json(status, {"error": error | ({"problems": problems} if problems else {})})
