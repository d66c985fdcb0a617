"""What keeps a conversation together without touching the app: an id where the client sends one, else a fingerprint.

Every turn of a chat repeats its first user message, so that, with who calls, names the conversation. A client's
`prompt_cache_key` is mixed in and never stands alone: many apps send one key for everybody, and then all of their
traffic would be a single unit.
"""

import hashlib
from typing import Any

from gateway.calls import Call
from gateway.document import Document, encode

CONVERSATION_HEADERS = (b"x-conversation-id", b"x-session-id", b"x-thread-id")
_METADATA_NAMES = ("conversation_id", "session_id", "thread_id", "chat_id")
_LONGEST_ID = 512


def conversation_of(call: Call) -> str:
    """What names the conversation of a call, within its caller. Raises CallerError for content nested too deeply."""
    return _named(call) or _fingerprint(call)


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


def _fingerprint(call: Call) -> str:
    parts = [call.caller.name, user_of(call.document), _text(call.document.values.get("prompt_cache_key"))]
    parts.append(_first_user_message(call.document.values.get("messages")))
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16, key=call.fingerprint_key).hexdigest()


def _first_user_message(messages: Any) -> str:
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else encode(content)
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
