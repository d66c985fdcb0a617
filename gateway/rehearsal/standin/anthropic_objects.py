"""Objects that Anthropic's API keeps: files and batches of messages. Bounded, in memory.

Source: platform.claude.com/docs/en/api, files (beta files-api-2025-04-14) and message batches.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from .answers import encode
from .asks import StandinRefusal, fields_of, items, part, refuse
from .kept import MOST_FILES, only
from .multipart import form_of
from .wire import JSON, StandinRequest

_FILE = re.compile(r"/files(?:/([^/]+))?(/content)?$")
_BATCH = re.compile(r"/messages/batches(?:/([^/]+))?(/cancel|/results)?$")
_RESULTS = b"application/x-jsonl"
_HOST = "https://api.anthropic.com"

Kept = tuple[Mapping[str, object], bytes]


class _Answer(NamedTuple):
    kind: bytes
    body: bytes


class AnthropicObjects:
    """Files and batches by id, with a file's bytes, and a batch's results."""

    def __init__(self, most: int = MOST_FILES) -> None:
        self._files: OrderedDict[str, Kept] = OrderedDict()
        self._batches: OrderedDict[str, Kept] = OrderedDict()
        self._most = most

    def answer(self, request: StandinRequest, number: str, now: float) -> tuple[bytes, bytes] | None:
        """Content type and body that a path gives; None for other paths, and without `anthropic-version`."""
        if request.header(b"anthropic-version") is None:
            return None
        if (found := _FILE.search(request.path)) is not None:
            return self._file(request, found[1], bool(found[2]), f"file_{number}", now)
        if (found := _BATCH.search(request.path)) is not None:
            return self._batch(request, found[1], found[2] or "", f"msgbatch_{number}", now)
        return None

    def _file(self, request: StandinRequest, name: str | None, content: bool, new: str, now: float) -> _Answer:
        if name is None:
            only("GET", request, "POST")
            return _json(self._upload(request, new, now) if request.method == "POST" else _list(self._files))
        file, data = _find(self._files, name)
        if content:
            return _Answer(b"application/octet-stream", data)
        only("GET", request, "DELETE")
        if request.method == "DELETE":
            del self._files[name]
            return _json({"id": name, "type": "file_deleted"})
        return _json(file)

    def _upload(self, request: StandinRequest, name: str, now: float) -> Mapping[str, object]:
        form = form_of(request)
        if "file" not in form:
            refuse("file: Field required")
        data = form["file"].data
        file = {"id": name, "type": "file", "filename": form["file"].filename, "mime_type": "application/octet-stream"}
        kept = {**file, "size_bytes": len(data), "created_at": _time(now), "downloadable": True}
        self._files[name] = kept, data
        if len(self._files) > self._most:
            self._files.popitem(last=False)
        return kept

    def _batch(self, request: StandinRequest, name: str | None, what: str, new: str, now: float) -> _Answer:
        if name is None:
            only("GET", request, "POST")
            return _json(self._begin(request, new, now) if request.method == "POST" else _list(self._batches))
        batch, results = _find(self._batches, name)
        return _Answer(_RESULTS, results) if what == "/results" else _json(batch)

    def _begin(self, request: StandinRequest, name: str, now: float) -> Mapping[str, object]:
        asked = items(fields_of(request.body).get("requests"))
        counts = {"processing": 0, "succeeded": 0, "errored": len(asked), "canceled": 0, "expired": 0}
        error = {"type": "error", "error": {"type": "api_error", "message": "The stand-in runs no batches."}}
        lines = [
            {"custom_id": part(each, "custom_id"), "result": {"type": "errored", "error": error}} for each in asked
        ]
        batch: dict[str, object] = {"id": name, "type": "message_batch", "processing_status": "ended"}
        batch |= {"request_counts": counts, "created_at": _time(now), "ended_at": _time(now), "expires_at": _time(now)}
        batch |= {"cancel_initiated_at": None, "archived_at": None}
        batch["results_url"] = f"{_HOST}/v1/messages/batches/{name}/results"
        self._batches[name] = batch, b"".join(encode(line) + b"\n" for line in lines)
        if len(self._batches) > self._most:
            self._batches.popitem(last=False)
        return batch


def _json(value: object) -> _Answer:
    return _Answer(JSON, encode(value))


def _list(kept: Mapping[str, Kept]) -> object:
    shown = [each for each, _ in kept.values()]
    first, last = next(iter(kept), None), next(reversed(list(kept)), None)
    return {"data": shown, "has_more": False, "first_id": first, "last_id": last}


def _find(kept: Mapping[str, Kept], name: str) -> Kept:
    if name not in kept:
        raise StandinRefusal(404, f"{name} was not found")
    return kept[name]


def _time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
