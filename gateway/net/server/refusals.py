"""Answers of the server without the application: JSON in OpenAI's error shape, then the connection closes."""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.errors import CallerError, SerinusError


class BadFraming(CallerError):
    """The bytes are not one unambiguous HTTP/1.1 request (RFC 9112)."""

    code = "bad_request"


class TargetTooLong(CallerError):
    status = 414
    code = "uri_too_long"


class HeadTooLarge(CallerError):
    status = 431
    code = "headers_too_large"


def render(refusal: SerinusError, body: bytes | None = None, id_: str = "") -> bytes:
    """The whole answer: status line, headers with exactly one framing header, and the JSON body, if not another one.

    With an id, headers name it.
    """
    if body is None:
        body = json.dumps({"error": _error(refusal)}).encode()
    # 503 only: the other refusals would fail again.
    more = b"retry-after: 1\r\n" if refusal.status == 503 else b""
    if id_:
        more += (
            f"x-serinus-call-id: {id_}\r\nx-request-id: {id_}\r\nx-serinus-failed-by: {refusal.failed_by}\r\n".encode()
        )
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b" % (
        STATUS_LINE[refusal.status],
        len(body),
        more,
        body,
    )


def _error(refusal: SerinusError) -> dict[str, str | None]:
    return {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
