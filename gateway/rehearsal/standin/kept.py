"""Objects that outlive their call: stored responses and interactions, uploaded files. Bounded, in memory."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from .answers import Said, encode
from .asks import Ask, StandinRefusal, refuse
from .interactions import interaction
from .multipart import form_of
from .responses import is_background, response
from .wire import StandinRequest

MOST_RESPONSES = 1000
MOST_FILES = 100
MOST_BYTES = 128 << 20  # of all files together
INTERACTION = re.compile(r"/interactions/([^/]+)(/cancel)?$")
RESPONSE = re.compile(r"/responses/([^/]+)(/cancel|/input_items)?$")
FILE = re.compile(r"/files(?:/([^/]+))?(/content)?$")


class _Response(NamedTuple):
    ask: Ask
    said: Said
    ready: float  # seconds since 1970
    cancelled: bool = False


class _KeptAnswers:
    """Answers by id, which begins with `prefix`."""

    prefix = ""

    def __init__(self, most: int = MOST_RESPONSES) -> None:
        self._kept: OrderedDict[str, _Response] = OrderedDict()
        self._most = most

    def keep(self, ask: Ask, said: Said, ready: float) -> None:
        """Keep an answer unless the request says `store: false`."""
        if ask.fields.get("store") is False:
            return
        self._kept[f"{self.prefix}{said.number}"] = _Response(ask, said, ready)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


class KeptResponses(_KeptAnswers):
    """Responses by id. Those made in the background are ready only after the model's latency, or cancelled."""

    prefix = "resp_"

    def check(self, ask: Ask) -> None:
        """Raise StandinRefusal where the request continues a response that is not here."""
        before = ask.fields.get("previous_response_id")
        if isinstance(before, str) and before not in self._kept:
            message = f"Previous response with id '{before}' not found."
            refuse(message, "previous_response_id", "previous_response_not_found")

    def answer(self, request: StandinRequest, now: float) -> bytes | None:
        """The response that a path asks for, cancels, deletes, or whose input it lists; None for other paths. Raises
        Refusal."""
        found = RESPONSE.search(request.path)
        if found is None:
            return None
        name, part = found[1], found[2]
        only(*(("POST", request) if part == "/cancel" else ("GET", request, "" if part else "DELETE")))
        kept = self._kept.get(name)
        if kept is None:
            raise StandinRefusal(404, f"Response with id '{name}' not found.", param="id")
        if part == "/input_items":
            return encode(_input_of(kept.ask, name))
        if request.method == "DELETE":
            del self._kept[name]
            return encode({"id": name, "object": "response", "deleted": True})
        if part == "/cancel":
            kept = self._kept[name] = _cancel(kept, now)
        return encode(response(kept.ask, kept.said, _status(kept, now)))


class KeptInteractions(_KeptAnswers):
    """Interactions by id, likewise."""

    prefix = "v1_"

    def check(self, ask: Ask) -> None:
        """Raise StandinRefusal where the request continues an interaction that is not here."""
        before = ask.fields.get("previous_interaction_id")
        if isinstance(before, str) and before and before not in self._kept:
            raise StandinRefusal(404, f"The interaction '{before}' was not found.")

    def answer(self, request: StandinRequest, now: float) -> bytes | None:
        """The interaction that a path asks for, cancels or deletes; None for other paths. Raises StandinRefusal."""
        found = INTERACTION.search(request.path)
        if found is None:
            return None
        name, cancels = found[1], bool(found[2])
        only(*(("POST", request) if cancels else ("GET", request, "DELETE")))
        kept = self._kept.get(name)
        if kept is None:
            raise StandinRefusal(404, f"The interaction '{name}' was not found.")
        if request.method == "DELETE":
            del self._kept[name]
            return b"{}"
        if cancels and is_background(kept.ask) and now < kept.ready:
            kept = self._kept[name] = kept._replace(cancelled=True)
        is_done = now >= kept.ready or not is_background(kept.ask)
        return encode(
            interaction(kept.ask, kept.said, "cancelled" if kept.cancelled else "" if is_done else "in_progress")
        )


def _input_of(ask: Ask, name: str) -> Mapping[str, object]:
    """The input as a list of one message, whatever it was made of."""
    content = [{"type": "input_text", "text": str(ask.fields.get("input", ""))}]
    item = {"id": f"msg_of_{name}", "type": "message", "role": "user", "status": "completed", "content": content}
    return {"object": "list", "data": [item], "first_id": item["id"], "last_id": item["id"], "has_more": False}


def _cancel(kept: _Response, now: float) -> _Response:
    if not is_background(kept.ask):
        refuse("Cannot cancel a synchronous response.")
    return kept._replace(cancelled=True) if now < kept.ready else kept


def _status(kept: _Response, now: float) -> str:
    if kept.cancelled:
        return "cancelled"
    return "completed" if now >= kept.ready else "in_progress"


class Files:
    """Uploaded files by id."""

    def __init__(self, most: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
        self._kept: OrderedDict[str, tuple[Mapping[str, object], bytes]] = OrderedDict()
        self._most = most
        self._most_bytes = most_bytes

    def answer(self, request: StandinRequest, number: str, now: float) -> tuple[bytes, bytes] | None:
        """Content type and body that a path under /files gives; None for other paths. Raises Refusal."""
        found = FILE.search(request.path)
        if found is None:
            return None
        name, content = found[1], found[2]
        if content:
            only("GET", request)
            return b"application/octet-stream", self._find(name)[1]
        return b"application/json", encode(self._one(request, name) if name else self._all(request, number, now))

    def _all(self, request: StandinRequest, number: str, now: float) -> object:
        only("GET", request, "POST")
        if request.method == "POST":
            return self._add(request, f"file-{number}", now)
        return {"object": "list", "data": [file for file, _ in self._kept.values()], "has_more": False}

    def _one(self, request: StandinRequest, name: str) -> object:
        only("GET", request, "DELETE")
        file, _ = self._find(name)
        if request.method == "GET":
            return file
        del self._kept[name]
        return {"id": name, "object": "file", "deleted": True}

    def _add(self, request: StandinRequest, name: str, now: float) -> Mapping[str, object]:
        form = form_of(request)
        if "file" not in form or "purpose" not in form:
            refuse("Missing required parameter: 'file' and 'purpose' are needed.", "file")
        data = form["file"].data
        file: dict[str, object] = {"id": name, "object": "file", "bytes": len(data), "created_at": int(now)}
        file |= {"filename": form["file"].filename, "purpose": form["purpose"].text, "status": "processed"}
        self._kept[name] = file, data
        while len(self._kept) > self._most or sum(len(kept) for _, kept in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)
        return file

    def _find(self, name: str) -> tuple[Mapping[str, object], bytes]:
        if name not in self._kept:
            raise StandinRefusal(404, f"No such File object: {name}", param="id")
        return self._kept[name]


def only(method: str, request: StandinRequest, other: str = "") -> None:
    """Raise StandinRefusal for a request with any method but these."""
    if request.method not in (method, other):
        expected = f"{method} or {other}" if other else method
        raise StandinRefusal(405, f"Not allowed to {request.method} on {request.path} (expected {expected})")
