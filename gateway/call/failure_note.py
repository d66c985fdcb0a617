"""Note in an attempt why it failed, as a log or a notice may say it: bounded, without a secret or a quotation."""

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from gateway.call.plain_words import is_credential
from gateway.call.quotations import LONGEST, Sent, is_quoted, printable, without_quotations
from gateway.calls import Attempt
from gateway.errors import FailureKind, ProviderError, ProviderWords
from gateway.redaction import Redactor

# Failures whose messages are ours or the transport's; what a provider says may quote a prompt.
_OUR_WORDS: frozenset[FailureKind] = frozenset(
    {"connect", "lost", "timeout", "malformed", "truncated", "circuit_open", "exhausted", "bad_tool_arguments"}
)
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_PARAM = re.compile(r"[\w.\[\]$/-]{1,100}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")


_SHORTEST_KEY = 4


@lru_cache(256)
def _redactor_of(keys: tuple[str, ...]) -> Redactor:
    return Redactor(keys, shortest=_SHORTEST_KEY)


def note_failure(
    attempt: Attempt,
    error: ProviderError,
    sent: Sent,
    known: Iterable[str],
    redactor: Redactor | None,
    own_keys: tuple[str, ...] = (),
) -> None:
    """Note the failure in the attempt. `sent` is the request, `known` are the operator's own words, `own_keys` the
    caller's."""
    words, known, sent = error.words or ProviderWords(), frozenset(known), cache(_with_keys(sent, own_keys))

    def clean(text: str) -> str:
        text = text if redactor is None else redactor.text(text)
        return without_quotations(_redactor_of(own_keys).text(text) if own_keys else text, sent, known)

    def named(text: str, pattern: re.Pattern[str]) -> str:
        return text if text and pattern.fullmatch(text) and clean(text) == text else ""

    attempt.failure, attempt.status = error.kind, error.upstream_status
    is_ours = error.kind in _OUR_WORDS
    attempt.message = printable(error.message)[:LONGEST] if is_ours else clean(words.message or error.message)
    attempt.code, attempt.param = named(words.code, _CODE), named(words.param or error.param or "", _PARAM)
    attempt.upstream_id = words.request_id if _is_id(words.request_id, sent) else ""


def _is_id(text: str, sent: Sent) -> bool:
    return bool(_REQUEST_ID.fullmatch(text)) and not is_credential(text) and not is_quoted(text, sent)


def _with_keys(sent: Sent, own_keys: tuple[str, ...]) -> Sent:
    """The request with the caller's keys, which are not among the headers that go upstream."""

    def text() -> str | None:
        request = sent()
        return None if request is None else "\n".join([request, *map(str.lower, own_keys)])

    return text if own_keys else sent
