"""Answers to shed requests, written once but for their ids: they must cost least when there are many."""

from collections.abc import Callable

from gateway.call.proxy import ID_HEADERS, failed_by_header, id_headers
from gateway.calls import FormatName
from gateway.errors import Headers, SerinusError
from gateway.formats.clients import error_body
from gateway.headers import JSON
from gateway.net.server.lines import BegunHeaders, block

_MOST = 64  # messages that are kept; one names a number of calls
_ID = "shed-call-000000"  # no word of any message


class ShedAnswers:
    """The answers of one endpoint. `headers` are those that it gives an error."""

    def __init__(self, client: FormatName, headers: Callable[[SerinusError], list[tuple[bytes, bytes]]]) -> None:
        self._client = client
        self._headers = headers
        self._known: dict[str, tuple[Headers, bytes | None, bytes]] = {}

    def answer(self, error: SerinusError, id_: str, given: str) -> tuple[int, Headers, bytes]:
        """Return status, headers and body for a request with that id, and the client's own id or ''."""
        known = self._known.get(error.message) or self._write(error)
        headers = BegunHeaders(known[0], known[1])
        headers += id_headers(id_, given)
        ours = id_.encode()
        if own := ID_HEADERS.get(self._client):
            headers.append((own, ours))
        return error.status, headers, known[2].replace(_ID.encode(), ours)

    def _write(self, error: SerinusError) -> tuple[Headers, bytes | None, bytes]:
        if len(self._known) >= _MOST:
            self._known.clear()
        headers = [JSON, *self._headers(error), failed_by_header(error)]
        written = headers, block(headers), error_body(error, self._client, _ID)
        self._known[error.message] = written
        return written
