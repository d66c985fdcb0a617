"""The provider's mind: which endpoint a request means, which behaviour its model has, and the script that answers it.

No sockets: `Service.answer` takes a whole request and gives back a script and, for a call, its entry in the books.
"""

import hmac
from collections.abc import Callable
from itertools import count
from urllib.parse import unquote

from . import answers
from .asks import Refusal, read_ask
from .books import Books, Entry
from .control import Control
from .faults import faulty
from .models import Models
from .received import RequestLog
from .turns import Turn, good
from .wire import Request, Script, reply

Answer = tuple[Script, Entry | None]

CHAT = "/chat/completions"
MODELS = "/models"


class Service:
    """Answers requests. `clock` gives seconds since 1970; with an `api_key`, calls need it as their Bearer token."""

    def __init__(self, models: Models, *, api_key: str | None, clock: Callable[[], float]) -> None:
        self.models = models
        self.books = Books()
        self.log = RequestLog()
        self._control = Control(self.models, self.books, self.log)
        self._api_key = api_key.encode() if api_key is not None else None
        self._clock = clock
        self._started = int(clock())
        self._numbers = count(1)

    def answer(self, request: Request) -> Answer:
        """The script for a request; the entry is open and the connection closes it."""
        if self._control.owns(request.path):
            return self._control.answer(request), None
        self.log.add(request)
        number = f"{self._started:08x}{next(self._numbers):08x}"
        try:
            return self._provide(request, number)
        except Refusal as refusal:
            return _refused(refusal, number), self.books.open("", "refused")

    def _provide(self, request: Request, number: str) -> Answer:
        self._authenticate(request)
        if request.path.endswith(CHAT):
            _only("POST", request)
            return self._chat(request, number)
        stem, slash, model = request.path.partition(MODELS + "/")
        if request.path.endswith(MODELS) or (stem and slash):
            _only("GET", request)
            return self._list(unquote(model), number), None
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})", code="unknown_url")

    def _chat(self, request: Request, number: str) -> Answer:
        ask = read_ask(request.body)
        model = self.models.get(ask.model)
        latency, fault = model.draw()
        turn = Turn(ask, model.behaviour, number, self._clock(), latency, request.http11)
        script = good(turn) if fault is None else faulty(turn, fault)
        return script, self.books.open(ask.model, fault)

    def _list(self, model: str, number: str) -> Script:
        names = self.models.names()
        if model and model not in names:
            raise Refusal(404, f"The model '{model}' does not exist", param="model", code="model_not_found")
        body = answers.encode(answers.model_card(model)) if model else answers.model_list(names)
        return reply(200, body, more=[(b"x-request-id", f"req_{number}".encode())])

    def _authenticate(self, request: Request) -> None:
        if self._api_key is None:
            return
        scheme, _, key = (request.header(b"authorization") or b"").partition(b" ")
        if scheme.lower() != b"bearer" or not key.strip():
            raise Refusal(401, "You didn't provide an API key in an Authorization header: Bearer YOUR_KEY.")
        if not hmac.compare_digest(key.strip(), self._api_key):
            raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key")


def _only(method: str, request: Request) -> None:
    if request.method != method:
        raise Refusal(405, f"Not allowed to {request.method} on {request.path} (expected {method})")


def _refused(refusal: Refusal, number: str) -> Script:
    body = answers.error_body(refusal.status, refusal.message, param=refusal.param, code=refusal.code)
    return reply(refusal.status, body, more=[(b"x-request-id", f"req_{number}".encode())])
