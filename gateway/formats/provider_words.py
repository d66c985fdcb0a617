"""A provider's words about a failure, in any shape of error body: message, code, parameter, and its id of the request.

For our own records alone. What a client may see of it is decided where the error of each format is read.
"""

import re
from collections.abc import Iterator
from typing import Any

from gateway.errors import Headers, ProviderError, ProviderWords
from gateway.formats.provider_json import parse_quietly

_READ_BYTES = 1 << 16  # of a body; an error is shorter
_LONGEST_TEXT = 1000  # characters of a message or a page
# Where APIs, and the proxies before them, put their id of a request; the closest to the model first.
_REQUEST_IDS = (
    b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"x-ms-request-id", b"x-goog-request-id",
    b"x-correlation-id", b"cf-ray",
)  # fmt: skip
_ERROR_TYPE = b"x-amzn-errortype"
_TAG = re.compile(r"<[^<>]*+>")


def words_of(body: bytes, headers: Headers = (), event: str = "") -> ProviderWords:
    """Return what an error's body and headers say; `event` names the event of a stream that the body is."""
    of_headers = _in_headers(headers)
    answer = parse_quietly(body) if len(body) <= _READ_BYTES else None
    if answer is None:
        return of_headers._replace(message=_page_text(body[:_READ_BYTES]))
    errors = list(_errors(answer))
    code = _first(errors, "code", "status", "__type", "type", "reason") or of_headers.code or _number(errors)
    return ProviderWords(
        message=_first(errors, "message", "Message", "error", "detail", "msg", "originalMessage", "error_message"),
        code=code or event,
        param=_first(errors, "param", "field"),
        request_id=of_headers.request_id,
    )


def explain(error: ProviderError, body: bytes, headers: Headers = (), event: str = "") -> ProviderError:
    """Return the error with what the provider says of it, unless a reader closer to the provider has noted that."""
    if error.words is None:
        words = words_of(body, headers, event)
        is_answer = error.kind == "error_in_answer" and not words.message  # one that was interrupted, say
        error.words = words._replace(code="", param="") if is_answer else words
    elif not error.words.request_id:
        error.words = error.words._replace(request_id=_in_headers(headers).request_id)
    return error


def _in_headers(headers: Headers) -> ProviderWords:
    found = dict(reversed([(name, value) for name, value in headers if name in _REQUEST_IDS or name == _ERROR_TYPE]))
    id_ = next((found[name] for name in _REQUEST_IDS if found.get(name)), b"")
    code = found.get(_ERROR_TYPE, b"").partition(b":")[0]  # a URL of the vendor's follows
    return ProviderWords(code=code.decode("latin-1"), request_id=id_.decode("latin-1"))


def _errors(answer: Any) -> Iterator[dict[str, Any]]:
    """The objects of an answer that may speak of an error, the innermost first."""
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        return
    for name in ("error", "response", "message"):
        inner = answer.get(name)
        if isinstance(inner, dict):
            yield from _errors(inner)
    for name in ("choices", "detail", "details"):
        listed = answer.get(name)
        for inner in listed[:4] if isinstance(listed, list) else ():
            if isinstance(inner, dict):
                yield from _errors(inner)
    yield answer


def _first(errors: list[dict[str, Any]], *names: str) -> str:
    """The first of these members that is a text, in the first object that has one; '' for none."""
    texts = (error.get(name) for error in errors for name in names)
    return next((text[:_LONGEST_TEXT] for text in texts if isinstance(text, str) and text.strip()), "")


def _number(errors: list[dict[str, Any]]) -> str:
    """The code that is a number, as text; '' for none."""
    codes = (error.get("code") for error in errors)
    return next((str(code)[:_LONGEST_TEXT] for code in codes if type(code) is int), "")


def _page_text(body: bytes) -> str:
    """The text of a body that is no JSON: of a page its title, else what stands between its tags."""
    text = body.decode("utf-8", "replace")
    title = text.lower().find("<title")
    if title >= 0:
        text = text[text.find(">", title) + 1 :].partition("<")[0]
    return " ".join(_TAG.sub(" ", text).split())[:_LONGEST_TEXT]
