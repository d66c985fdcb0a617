"""Identity of a conversation: the client's id, or else a fingerprint of its beginning.

Every turn of a chat repeats its first user message, so that, with who calls, names the conversation. A client's
`prompt_cache_key` is mixed in and never stands alone: many apps send one key for everybody, and then all of their
traffic would be a single unit.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from gateway.calls import Call
from gateway.json_body import Document
from gateway.named_user import session_in, user_in
from routing.assignment import conversation_unit

CONVERSATION_HEADERS = (b"x-conversation-id", b"x-claude-code-session-id")
SESSION_HEADERS = (
    *(b"session-id", b"session_id", b"thread-id", b"x-session-id", b"x-thread-id"),
    *(b"x-opencode-session", b"x-amp-thread-id"),
)
AFFINITY_HEADER = b"x-session-affinity"  # a proxy may set one value for everybody: it is for routing alone
TRACE_HEADER = b"traceparent"  # W3C Trace Context: what belongs together for the client
SUB_AGENT_HEADER = b"x-claude-code-agent-id"
NAMING_HEADERS = frozenset({*CONVERSATION_HEADERS, *SESSION_HEADERS, AFFINITY_HEADER, TRACE_HEADER, SUB_AGENT_HEADER})
_METADATA_NAMES = ("conversation_id", "session_id", "thread_id", "chat_id")


def continued_answer(call: Call) -> str:
    """Return the name of the answer that the call continues at its provider, '' where it continues none."""
    values = call.document.values
    if "previous_response_id" in values:
        answer = values["previous_response_id"]
    elif "previous_interaction_id" in values:
        answer = values["previous_interaction_id"]
    elif "thread" in values and isinstance(thread := values["thread"], dict):
        answer = thread.get("previous_message_id")
    else:
        return ""
    return answer_name(answer) if isinstance(answer, str) and answer else ""


def answer_name(answer_id: str) -> str:
    """Return what names the conversation that continues an answer."""
    return f"\0after {answer_id}"


def name_of(call: Call) -> str:
    """Return the client's own id of the conversation, or '' where it names none (decision 4)."""
    values = call.document.values
    if call.conversation_header or ("conversation" not in values and "metadata" not in values):
        return call.conversation_header or call.session_header
    return _claude_session(values.get("metadata")) or call.session_header or _named(values)


def unit_named(call: Call, name: str) -> str:
    """Return the unit of the conversation that has this name among its caller's."""
    return conversation_unit(call.caller.name, name)


def conversation_key(caller: str, name: str) -> str:
    """A short name for what that caller calls a conversation, among its agent's: 32 hex digits that tell nothing of it.

    A fingerprint must never come in here: two end users may begin with the same words (decision 28).
    """
    return blake2b(f"{caller}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def user_of(document: Document) -> str:
    """The end user that the client names, in whatever format it speaks and whatever its session; or ''."""
    values = document.values
    if "user" not in values and "metadata" not in values and "safety_identifier" not in values:
        return ""  # as a rule; it is asked for several times a call
    user = _user_member(values) or _metadata_user(values)
    return user_in(user) if user else ""


def _user_member(values: Mapping[str, Any]) -> str:
    if "safety_identifier" not in values and "user" not in values:  # as a rule
        return ""
    return _text(values.get("safety_identifier")) or _text(values.get("user"))


def _metadata_user(values: Mapping[str, Any]) -> str:
    """Return the end user as the Messages API names it, or ''."""
    if "metadata" not in values:  # as a rule
        return ""
    metadata = values["metadata"]
    return _text(metadata.get("user_id")) if isinstance(metadata, dict) else ""


def _named(values: Mapping[str, Any]) -> str:
    if "conversation" in values:
        conversation = values["conversation"]
        if isinstance(conversation, dict):
            conversation = conversation.get("id")
        if name := _text(conversation):
            return name
    if isinstance(metadata := values.get("metadata"), dict):
        return next((name for key in _METADATA_NAMES if (name := _text(metadata.get(key)))), "")
    return ""


def _claude_session(metadata: Any) -> str:
    """Return the session in Claude Code's `metadata.user_id`: `user_…_session_<uuid>`, or JSON with a `session_id`."""
    user = _text(metadata.get("user_id")) if isinstance(metadata, dict) else ""
    return session_in(user) if user else ""


def fingerprint_of(call: Call, opening: str) -> str:
    """A digest of who calls, for whom, and how the conversation began."""
    key = _text(call.document.values.get("prompt_cache_key"))
    values = call.document.values
    user = _user_member(values) or _metadata_user(values)
    text = f"{call.caller.name}\0{user}\0{key}\0{opening}"
    fingerprint = _keyed(call.fingerprint_key).copy()
    fingerprint.update(text.encode("utf-8", "surrogatepass"))
    return fingerprint.hexdigest()


@lru_cache(maxsize=16)  # the key of a configuration: taking it in is half of the work
def _keyed(key: bytes) -> blake2b:
    return blake2b(digest_size=16, key=key)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
