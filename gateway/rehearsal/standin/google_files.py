"""Files that Gemini's API keeps, and the resumable uploads they come by. Bounded, in memory.

Source: ai.google.dev/api/files, and the protocol's headers as Google's SDKs send them.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qs

from .answers import encode
from .asks import StandinRefusal, fields_of, part, refuse
from .kept import MOST_BYTES, MOST_FILES, only
from .wire import Header, StandinRequest

_FILES = re.compile(r"/(v1[a-z]*)/files(?:/([^/]+))?$")
_UPLOAD = "/upload/"
_STATUS = b"x-goog-upload-status"


class _Stored(NamedTuple):
    body: bytes
    headers: Sequence[Header] = ()


class GoogleFiles:
    """Files by name, and uploads under way by their id."""

    def __init__(self, most: int = MOST_FILES) -> None:
        self._files: OrderedDict[str, dict[str, object]] = OrderedDict()
        self._begun: OrderedDict[str, tuple[dict[str, object], bytearray]] = OrderedDict()
        self._most = most

    def answer(self, request: StandinRequest, number: str) -> _Stored | None:
        """Body and headers that a path gives; None for other paths, and without Google's key header."""
        found = _FILES.search(request.path)
        if found is None or request.header(b"x-goog-api-key") is None:
            return None
        if _UPLOAD not in request.path:
            return _Stored(encode(self._file(request, found[2])))
        only("POST", request, "PUT")
        upload = parse_qs(request.query).get("upload_id")
        return self._begin(request, number) if upload is None else self._go_on(request, upload[0])

    def _begin(self, request: StandinRequest, number: str) -> _Stored:
        if request.header(b"x-goog-upload-command") != b"start":
            refuse("An upload begins with the command start.")
        asked = part(fields_of(request.body), "file") if request.body else None
        kind = (request.header(b"x-goog-upload-header-content-type") or b"application/octet-stream").decode()
        name = part(asked, "name") or f"files/{number}"
        self._begun[number] = (
            {"name": name, "displayName": part(asked, "displayName") or part(asked, "display_name"), "mimeType": kind},
            bytearray(),
        )
        if len(self._begun) > self._most:
            self._begun.popitem(last=False)
        host = request.header(b"host") or b""
        url = b"http://%b%b?upload_id=%b&upload_protocol=resumable" % (host, request.path.encode(), number.encode())
        return _Stored(b"", [(_STATUS, b"active"), (b"x-goog-upload-url", url)])

    def _go_on(self, request: StandinRequest, upload: str) -> _Stored:
        if upload not in self._begun:
            raise StandinRefusal(404, "There is no such upload.")
        file, data = self._begun[upload]
        commands = (request.header(b"x-goog-upload-command") or b"").replace(b" ", b"").split(b",")
        if b"upload" in commands:
            if request.header(b"x-goog-upload-offset") != b"%d" % len(data):
                refuse(f"The upload stands at {len(data)}.")
            data += request.body
            if len(data) > MOST_BYTES:
                raise StandinRefusal(413, "The file is too large.")
        if b"finalize" not in commands:
            return _Stored(b"", [(_STATUS, b"active"), (b"x-goog-upload-size-received", b"%d" % len(data))])
        del self._begun[upload]
        name = str(file["name"])
        uri = f"https://generativelanguage.googleapis.com/v1beta/{name}"
        self._files[name] = kept = {**file, "sizeBytes": str(len(data)), "uri": uri, "state": "ACTIVE"}
        if len(self._files) > self._most:
            self._files.popitem(last=False)
        return _Stored(encode({"file": kept}), [(_STATUS, b"final")])

    def _file(self, request: StandinRequest, id_: str | None) -> object:
        if id_ is None:
            only("GET", request)
            return {"files": list(self._files.values())}
        only("GET", request, "DELETE")
        name = f"files/{id_}"
        if name not in self._files:
            raise StandinRefusal(404, f"There is no {name}.")
        return self._files.pop(name) and {} if request.method == "DELETE" else self._files[name]
