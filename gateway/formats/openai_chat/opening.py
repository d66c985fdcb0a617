"""What tells one conversation from another in chat completions."""

from collections.abc import Mapping
from typing import Any

from gateway.json_body import encode


def opening(values: Mapping[str, Any]) -> str:
    """The first user message; '' when there is none. Raises CallerError for content nested too deeply."""
    messages = values.get("messages")
    if not isinstance(messages, list):
        return ""
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else encode(content)
    return ""
