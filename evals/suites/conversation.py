"""Questions and reference answers: messages in the shape of chat completions, texts, values."""

from collections.abc import Mapping

from pydantic import JsonValue

from evals.cases import ChatMessage
from evals.suites.template import as_json
from evals.suites.values import plain, refusal
from gateway.config.nodes import Node
from gateway.config.problems import quoted

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MAX_MESSAGES = 2_000  # of a case
# Names of a question among other inputs, in this order; the others are variables then.
QUESTIONS = ("messages", "input", "question", "query", "prompt", "user_input")
_DROPPED = frozenset({"weight", "id"})  # what training and tracing note of a message: no provider takes it


def user_message(text: str) -> ChatMessage:
    """Return a user's message."""
    return {"role": "user", "content": text}


def looks_like_messages(value: object) -> bool:
    """Return whether the value is a list of mappings with a role each."""
    return isinstance(value, list) and bool(value) and all(isinstance(m, dict) and "role" in m for m in value)


def chat_messages(node: Node, name: str) -> tuple[ChatMessage, ...]:
    """Return the messages of a list. Raises SuiteError for what is none."""
    if not node.items or len(node.items) > MAX_MESSAGES:
        raise refusal(node, f"{name} must be a list of 1 to {MAX_MESSAGES:,} messages with `role` and `content`")
    return tuple(_message(each) for each in node.items)


def _message(node: Node) -> ChatMessage:
    role = node.get("role")
    if role is None or role.text not in ROLES:
        written = quoted(role.plain()) if role else "none"
        raise refusal(role or node, f"a message needs a `role` of {', '.join(ROLES)}; here is {written}")
    content = node.get("content")
    if content is None and node.get("tool_calls") is None and node.get("function_call") is None:
        raise refusal(node, "a message needs a `content`")
    if content is not None and not isinstance(content.value, str | tuple | None):
        raise refusal(content, "the `content` of a message must be text or a list of parts")
    return {key: plain(each) for key, each in node.entries.items() if key not in _DROPPED}


def asked(node: Node, name: str) -> tuple[tuple[ChatMessage, ...], dict[str, JsonValue]]:
    """Return the messages that an input stands for, and the variables beside them.

    An input is a text, a list of messages, or a mapping. Of a mapping with one entry that is asked, of others the
    first of `QUESTIONS`. Raises SuiteError where none of these is there.
    """
    if node.text is not None:
        return (user_message(node.text),), {}
    if isinstance(node.value, tuple):
        return chat_messages(node, name), {}
    entries = node.entries
    key = next(iter(entries)) if len(entries) == 1 else next((each for each in QUESTIONS if each in entries), None)
    if key is None or not isinstance(entries[key].value, str | tuple | Mapping):
        said = f"{name} says not what is asked: it needs one of {', '.join(QUESTIONS)}"
        raise refusal(node, f"{said}; or write a suite whose `ask` names it")
    messages, within = asked(entries[key], f"{name}.{key}")
    return messages, {**within, **{each: plain(below) for each, below in entries.items() if each != key}}


def reference(node: Node | None) -> str | None:
    """Return a reference answer as text: of a message its content, of a mapping with one entry that one."""
    if node is None or node.value is None:
        return None
    entries = node.entries
    if "role" in entries and "content" in entries:
        return reference(entries["content"])
    if len(entries) == 1:
        return reference(next(iter(entries.values())))
    if node.items and all("role" in each.entries for each in node.items):
        return reference(node.items[-1])
    return node.text if node.text is not None else as_json(plain(node))


def texts(node: Node | None, name: str) -> tuple[str, ...]:
    """Return a text or a list of texts as texts. Raises SuiteError for anything else."""
    if node is None or node.value is None:
        return ()
    found = [node] if node.text is not None else list(node.items)
    if any(each.text is None for each in found) or (not found and node.value != ()):
        raise refusal(node, f"{name} must be a text or a list of texts")
    return tuple(each.text or "" for each in found)
