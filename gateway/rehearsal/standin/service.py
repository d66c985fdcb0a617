"""The provider's mind: which endpoint a request means, which behaviour its model has, and the script that answers it.

No sockets: `Service.answer` takes a whole request and gives back a script and, for a call, its entry in the books.
"""

import hmac
from collections.abc import Callable, Sequence
from itertools import count
from urllib.parse import unquote

from . import strict
from .answers import StandinError, encode
from .anthropic_objects import AnthropicObjects
from .asks import StandinRefusal
from .books import BookedCall, Books, Ledger
from .control import Control
from .faults import faulty
from .formats import MODELS, family_of, shape_of
from .google_files import GoogleFiles
from .interactions import INTERACTIONS
from .kept import Files, KeptInteractions, KeptResponses, only
from .models import StandinModels
from .received import RequestLog
from .responses import RESPONSES, is_background
from .shapes import Family, Served, Shape, StandinDoor
from .turns import Turn, good
from .wire import JSON, Header, StandinRequest, WireScript, WireStep, head, lines_of

Answer = tuple[WireScript, BookedCall | None]


class Service:
    """Answers requests. `clock` gives seconds since 1970; with an `api_key`, calls need it in their format's header."""

    def __init__(
        self,
        models: StandinModels,
        *,
        api_key: str | None,
        clock: Callable[[], float],
        ledger: Ledger | None = None,
    ) -> None:
        self.models = models
        self.books = Books(ledger)
        self.log = RequestLog()
        self._responses = KeptResponses()
        self._interactions = KeptInteractions()
        self._files = Files()
        self._anthropic = AnthropicObjects()
        self._google = GoogleFiles()
        self._control = Control(self.models, self.books, self.log)
        self._api_key = api_key.encode() if api_key is not None else None
        self._clock = clock
        self._started = int(clock())
        self._numbers = count(1)

    def answer(self, request: StandinRequest) -> Answer:
        """The script for a request; the entry is open and the connection closes it."""
        if self._control.owns(request.path):
            return self._control.answer(request), None
        self.log.add(request)
        number = f"{self._started:08x}{next(self._numbers):08x}"
        family = family_of(request)
        try:
            self._authenticate(request, family.door)
            return self._provide(request, number)
        except StandinRefusal as refusal:
            problem = StandinError(refusal.status, refusal.message, refusal.param, refusal.code, f"req_{number}")
            return self._reply(family, number, refusal.status, family.error(problem)), self.books.open(
                "", "refused", request.body
            )

    def _provide(self, request: StandinRequest, number: str) -> Answer:
        shape = shape_of(request.path)
        if shape is not None:
            only("POST", request)
            return self._call(shape, request, number)
        return self._look_up(request, number), None

    def _look_up(self, request: StandinRequest, number: str) -> WireScript:
        """Answer a request that calls no model: it is in the books only if it is refused."""
        family = family_of(request)
        if (kept := self._responses.answer(request, self._clock())) is not None:
            return self._reply(family, number, 200, kept)
        if (stored := self._google.answer(request, number)) is not None:
            return self._reply(family, number, 200, stored.body, more=stored.headers)
        now = self._clock()
        if (kept := self._interactions.answer(request, now)) is not None:
            return self._reply(family, number, 200, kept)
        if (
            file := self._anthropic.answer(request, number, now) or self._files.answer(request, number, now)
        ) is not None:
            kind, body = file
            return self._reply(family, number, 200, body, kind)
        stem, slash, model = request.path.partition(MODELS + "/")
        if request.path.endswith(MODELS) or (stem and slash):
            only("GET", request)
            return self._reply(family, number, 200, self._list(unquote(model)))
        raise StandinRefusal(404, f"Invalid URL ({request.method} {request.path})", code="unknown_url")

    def _call(self, shape: Shape, request: StandinRequest, number: str) -> Answer:
        ask = shape.read(request)
        self._responses.check(ask)
        if shape is INTERACTIONS:
            self._interactions.check(ask)
        model = self.models.get(ask.model)
        if model.behaviour.strict:
            strict.check(ask.fields)
        latency, fault = model.draw()
        waits = 0.0 if is_background(ask) else latency
        turn = Turn(shape, ask, model.next_behaviour(), number, self._clock(), waits, request.http11)
        if shape is RESPONSES and fault is None:
            self._responses.keep(ask, turn.said(), turn.now + latency)
        if shape is INTERACTIONS and fault is None:
            self._interactions.keep(ask, turn.said(), turn.now + latency)
        script = good(turn) if fault is None else faulty(turn, fault)
        return script, self.books.open(ask.model, fault, request.body)

    def _list(self, model: str) -> bytes:
        names = self.models.names()
        if model and model not in names:
            raise StandinRefusal(404, f"The model '{model}' does not exist", param="model", code="model_not_found")
        return encode(_card(model) if model else {"object": "list", "data": [_card(name) for name in names]})

    def _authenticate(self, request: StandinRequest, door: StandinDoor) -> None:
        if self._api_key is None:
            return
        key = door.key(request)
        if not key:
            raise _unknown(door.missing)
        if not hmac.compare_digest(key, self._api_key):
            raise _unknown(door.wrong)

    def _reply(
        self, family: Family, number: str, status: int, body: bytes, kind: bytes = JSON, more: Sequence[Header] = ()
    ) -> WireScript:
        lines = b"content-type: %s\r\ncontent-length: %d\r\n%b" % (kind, len(body), lines_of(more))
        own = family.headers(Served(f"req_{number}", 0.0, self._clock()))
        return WireScript((WireStep(0.0, head(status, lines + own) + body),))


def _unknown(problem: StandinError) -> StandinRefusal:
    return StandinRefusal(problem.status, problem.message, code=problem.code)


def _card(model: str) -> dict[str, object]:
    return {"id": model, "object": "model", "created": 1735689600, "owned_by": "standin"}
