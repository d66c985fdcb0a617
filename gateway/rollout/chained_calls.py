"""Tool calls of conversations whose history a provider keeps, by the answer that the next request continues.

Of each call there is a keyed digest, and of each conversation the latest ones. They are kept with the answer, so a
conversation that is continued twice is two, and shared with the other replicas off the path of calls (decision 69).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import repeat

from gateway.calls import Call
from gateway.conversation import answer_name, continued_answer
from policies.behaviours.behaviours import LOOP, CalledTool, canonical

MOST_CALLS = 64  # of one conversation, the latest ones
_DIGITS = 16  # of a digest


def keep_nothing(_caller: str, _texts: Mapping[str, str]) -> None:
    """Keep none of a caller's texts."""


def find_nothing(_caller: str, _name: str) -> str | None:
    """Find none of a caller's texts."""
    return None


@dataclass(slots=True)
class ChainedCalls:
    """The calls that one replica knows of. `keep` and `find` take a caller, and texts by their names; `look_for` lets a
    text be looked for at other replicas."""

    keep: Callable[[str, Mapping[str, str]], None] = keep_nothing
    find: Callable[[str, str], str | None] = find_nothing
    look_for: Callable[[str, str], object] = find_nothing

    def expect(self, call: Call) -> None:
        """Let the calls before a request be looked for, while it is answered."""
        if continued := continued_calls(call):
            self.look_for(*continued)

    def before(self, call: Call) -> str:
        """Return the digests of what was called before in the conversation that a request continues, '' for nothing."""
        continued = continued_calls(call)
        return (self.find(*continued) or "") if continued else ""

    def note(self, call: Call, answer_id: str, before: str, made: Sequence[CalledTool]) -> None:
        """Keep what was called up to an answer, and in it."""
        digests = before + "".join(_digest(call, each) for each in made)
        if digests and answer_id:
            self.keep(_owner(call), {answer_name(answer_id): digests[-MOST_CALLS * _DIGITS :]})


def continued_calls(call: Call) -> tuple[str, str] | None:
    """Return whose calls, and under which name, a request continues; None where it continues no answer."""
    name = continued_answer(call)
    return (_owner(call), name) if name else None


def repeated_calls(
    call: Call, before: str, made: Sequence[CalledTool], earlier: Sequence[CalledTool]
) -> list[CalledTool]:
    """Return those of an answer's calls that were made before, each as often as the `earlier` ones of the request leave
    out: a client may repeat what its provider keeps."""
    kept = Counter(before[first : first + _DIGITS] for first in range(0, len(before), _DIGITS))
    in_request = Counter(map(canonical, earlier))
    found: list[CalledTool] = []
    for each in dict.fromkeys(map(canonical, made)):
        found += repeat(each, min(kept[_digest(call, each)], LOOP) - in_request[each])
    return found


def _owner(call: Call) -> str:
    """Return the caller, as no key is called: what is kept here is no item that a request may name."""
    return f"\0{call.caller.name}"


def _digest(call: Call, made: CalledTool) -> str:
    text = "\0".join(canonical(made)).encode("utf-8", "surrogatepass")
    return blake2b(text, key=call.fingerprint_key[:64], digest_size=_DIGITS // 2).hexdigest()
