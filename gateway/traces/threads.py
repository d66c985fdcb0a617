"""Keys that tell a call's conversation: the client's id, the unit that routing uses, and tool calls that come back.

All of it becomes keys of 16 hex digits: of bounded size, and nobody's name lies in the store. A key holds the caller's
name, so no caller's ids lead to another's conversation. A client's own name holds over agents: one conversation may
need several. Conversations that only begin alike at two agents are two.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

from gateway.calls import Outcome
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


def conversation_of(outcome: Outcome, named: str) -> Thread:
    """Return the conversation of a call; a call that belongs to none is one by itself.

    `named` is what routing calls it among its agent's, '' where it has no name for it.
    """
    caller = outcome.caller
    if outcome.conversation:
        return Thread(key_by_name(caller, outcome.conversation), outcome.conversation)
    if not named:
        return Thread(_digest("call", caller, outcome.call_id))
    continues = named.removeprefix(_AFTER) if named.startswith(_AFTER) else ""
    return Thread(_digest("routed", caller, outcome.agent, named), "", continues)


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
        if is_unique(tool_id):
            yield tool_join(caller, tool_id)
        elif signs.beginning:
            yield _digest("tool", caller, signs.beginning, tool_id)


def is_unique(tool_id: str) -> bool:
    """Return whether the id of a tool call is nobody else's."""
    return len(tool_id) >= _UNIQUE_CHARACTERS


def tool_join(caller: str, tool_id: str) -> str:
    """Return the key by which a tool call and its result belong together, where its id is nobody else's."""
    return _digest("tool", caller, "", tool_id)


def answer_join(caller: str, answer_id: str) -> str:
    """Return the key by which an answer and the call that continues it belong together."""
    return _digest("answer", caller, answer_id)


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
