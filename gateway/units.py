"""What keeps a conversation together without touching the app: an id where the client sends one, else a fingerprint.

Every turn of a chat repeats its first user message, so that, with who calls, names the conversation. A client's
`prompt_cache_key` is mixed in and never stands alone: many apps send one key for everybody, and then all of their
traffic would be a single unit.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from gateway.calls import Call
from gateway.document import Document

CONVERSATION_HEADERS = frozenset({b"x-conversation-id", b"x-session-id", b"x-thread-id"})
_METADATA_NAMES = ("conversation_id", "session_id", "thread_id", "chat_id")
_LONGEST_ID = 512


def conversation_of(call: Call, opening_of: Callable[[Call], str]) -> str:
    """What names the conversation of a call, within its caller. Raises CallerError for content nested too deeply.

    `opening_of` finds the first user message, in whatever format the client speaks.
    """
    return _named(call) or _fingerprint(call, opening_of(call))


def conversation_key(call: Call, opening_of: Callable[[Call], str]) -> str:
    """A short name for the conversation of a call among its agent's, which tells nothing of it: 32 hex digits.

    A client's own id names a conversation among those of the same caller only.
    """
    text = f"{call.caller.name}\0{conversation_of(call, opening_of)}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def user_of(document: Document) -> str:
    """The end user that the client names, or ''."""
    values = document.values
    return _text(values.get("safety_identifier")) or _text(values.get("user"))


def _named(call: Call) -> str:
    values = call.document.values
    conversation = values.get("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    if name := call.conversation_header or _text(conversation):
        return name[:_LONGEST_ID]
    metadata = values.get("metadata")
    if isinstance(metadata, dict):
        return next((name[:_LONGEST_ID] for key in _METADATA_NAMES if (name := _text(metadata.get(key)))), "")
    return ""


def _fingerprint(call: Call, opening: str) -> str:
    parts = [call.caller.name, user_of(call.document), _text(call.document.values.get("prompt_cache_key"))]
    parts.append(opening)
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16, key=call.fingerprint_key).hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
