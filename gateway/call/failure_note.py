"""Note in an attempt why it failed, as a log or a notice may say it: bounded, without a secret or a quotation."""

import re
from collections.abc import Iterable
from functools import cache

from gateway.call.quotations import LONGEST, Sent, is_quoted, printable, without_quotations
from gateway.calls import Attempt
from gateway.errors import FailureKind, ProviderError, ProviderWords
from gateway.redaction import Redactor

# Failures whose messages are ours or the transport's; what a provider says may quote a prompt.
_OUR_WORDS: frozenset[FailureKind] = frozenset(
    {"connect", "lost", "timeout", "malformed", "truncated", "circuit_open", "bad_tool_arguments"}
)
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_PARAM = re.compile(r"[\w.\[\]$/-]{1,100}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")


def note_failure(
    attempt: Attempt, error: ProviderError, sent: Sent, known: Iterable[str], redactor: Redactor | None
) -> None:
    """Note the failure in the attempt. `sent` is the request, `known` are the operator's own words."""
    words, known, sent = error.words or ProviderWords(), frozenset(known), cache(sent)

    def clean(text: str) -> str:
        return without_quotations(text if redactor is None else redactor.text(text), sent, known)

    def named(text: str, pattern: re.Pattern[str]) -> str:
        return text if text and pattern.fullmatch(text) and clean(text) == text else ""

    attempt.failure, attempt.status = error.kind, error.upstream_status
    is_ours = error.kind in _OUR_WORDS
    attempt.message = printable(error.message)[:LONGEST] if is_ours else clean(words.message or error.message)
    attempt.code, attempt.param = named(words.code, _CODE), named(words.param or error.param or "", _PARAM)
    is_id = _REQUEST_ID.fullmatch(words.request_id) and not is_quoted(words.request_id, sent)
    attempt.upstream_id = words.request_id if is_id else ""
