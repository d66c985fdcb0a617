"""A call that goes on from what a provider stores: a response, an interaction, or a thread of messages.

Nothing in an id says whose it is, and a provider that does not know it refuses the call before any model has run. So
the targets of the chain are asked in their order, and who refuses it for that reason has not failed. A client of
threads sends the whole conversation after such a refusal.
"""

from typing import Any

from gateway.calls import Call
from gateway.errors import ProviderError
from gateway.formats.anthropic import NAME as MESSAGES
from gateway.formats.provider_json import parse_quietly
from gateway.formats.registry import CLIENTS

_THREAD = "thread"
_UNKNOWN = 404
# By which Anthropic says that a thread cannot go on, or cannot be kept.
_THREAD_CODES = frozenset(
    {"thread_not_found", "thread_already_continued", "thread_continue_in_flight", "thread_unsupported_request"}
)


def is_of_another(error: ProviderError, call: Call) -> bool:
    """Return whether the provider says that it cannot go on from what the call names, though another might."""
    if call.format == MESSAGES and isinstance(call.document.values.get(_THREAD), dict):
        return cannot_keep_threads(error) or _thread_code(error) in _THREAD_CODES
    member = CLIENTS[call.format].facts.continues
    if not member or not isinstance(call.document.values.get(member), str):
        return False
    if error.param == "model":
        return False
    return error.upstream_status == _UNKNOWN or (error.upstream_status == 400 and error.param == member)


def cannot_keep_threads(error: ProviderError) -> bool:
    """Return whether a target's format has no threads: it answers the call once the whole conversation is sent."""
    return error.kind == "untranslatable" and error.param == _THREAD


def _thread_code(error: ProviderError) -> str:
    """Return the code in the details of Anthropic's error, '' where there is none."""
    found: Any = parse_quietly(error.body) if error.kind == "status" and error.body is not None else None
    for name in ("error", "details", "error_code"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
