"""Keys that tell a call's conversation: the client's id, the unit that routing uses, and tool calls that come back.

All of it becomes keys of 16 hex digits: of bounded size, and nobody's name lies in the store. A key holds the caller's
name, so no caller's ids lead to another's conversation.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

from gateway.tool_use import AnswerEnd, ReturnedTools

_AFTER = "\0after "  # begins the name of a conversation that continues an answer (`gateway.conversation.answer_name`)
# An id so long is nobody else's; a shorter one (`call_1`) tells only among conversations that begin alike.
_UNIQUE_CHARACTERS = 16
_MOST_JOINS = 24
_KEY = re.compile(r"[0-9a-f]{16}")
_TRACE_PARTS = 4  # of a `traceparent`: version, trace, parent, flags


class Thread(NamedTuple):
    """The conversation of a call: its key, the client's own name for it, and the id of the answer that it continues."""

    key: str
    name: str = ""
    continues: str = ""


class Signs(NamedTuple):
    """Other signs of a call's conversation. `beginning` names how it began, where its client has no name for it."""

    beginning: str
    end: AnswerEnd
    returned: ReturnedTools


def may_be_key(text: str) -> bool:
    """Return whether a text looks like the key of a conversation."""
    return _KEY.fullmatch(text) is not None


def key_by_name(caller: str, name: str) -> str:
    """Return the key of the conversation that a caller calls so."""
    return _digest("named", caller, name)


def conversation_of(caller: str, call_id: str, conversation: str, named: str) -> Thread:
    """Return the conversation of a call; a call that belongs to none is one by itself.

    `conversation` is the client's own id of it, `named` what routing calls it, each '' without one.
    """
    name = conversation or named
    if not name:
        return Thread(_digest("call", caller, call_id))
    continues = name.removeprefix(_AFTER) if name.startswith(_AFTER) else ""
    return Thread(key_by_name(caller, name), conversation, continues)


def joins_of(caller: str, thread: Thread, signs: Signs) -> tuple[str, ...]:
    """Return the keys of what else tells a call's conversation; none where its client has a name for that."""
    if thread.name:
        return ()
    return tuple(dict.fromkeys(islice(_joins(caller, thread, signs), _MOST_JOINS)))


def trace_keys_of(caller: str, trace_parent: str) -> tuple[str, ...]:
    """Return the key of the trace to which a call belongs: other conversations in it are those of sub-agents."""
    parts = trace_parent.split("-", _TRACE_PARTS)
    return (_digest("trace", caller, parts[1]),) if len(parts) >= _TRACE_PARTS else ()


def _joins(caller: str, thread: Thread, signs: Signs) -> Iterator[str]:
    for answer_id in filter(None, (thread.continues, signs.end.answer_id)):
        yield answer_join(caller, answer_id)
    ids = [each.id for each in signs.returned] + [each.id for each in signs.end.tools]
    for tool_id in filter(None, ids):
        yield _digest("tool", caller, "" if len(tool_id) >= _UNIQUE_CHARACTERS else signs.beginning, tool_id)


def answer_join(caller: str, answer_id: str) -> str:
    """Return the key by which an answer and the call that continues it belong together."""
    return _digest("answer", caller, answer_id)


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
