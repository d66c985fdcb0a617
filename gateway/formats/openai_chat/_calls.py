"""The function calls of a provider's stream, put together of pieces: what servers number, name and cut differently."""

from collections.abc import Iterator
from typing import Any

from gateway.errors import ProviderError
from gateway.formats.answer import Event, ToolBegin, ToolDelta
from gateway.formats.gemini import NAME as GEMINI
from gateway.formats.openai_chat._reasoning import call_signature
from gateway.formats.openai_chat.provider_answer import arguments_of, call_id, nameless
from gateway.formats.provider_json import MAX_ARGUMENT_CHARACTERS, are_json, text_of

Members = dict[str, Any]
_MOST_LOOKS = 64  # at whether arguments are whole, of one call: a server may repeat the name with every piece


class Arguments:
    """The arguments of one call as they come."""

    __slots__ = ("_looks", "_pieces", "characters")

    def __init__(self) -> None:
        self._looks = 0
        self._pieces: list[str] = []
        self.characters = 0

    def add(self, piece: str) -> None:
        """Take the next piece. Raises ProviderError when there is too much."""
        self.characters += len(piece)
        if self.characters > MAX_ARGUMENT_CHARACTERS:
            raise ProviderError("malformed", "the tool-call arguments of the provider's stream are too long")
        if piece:
            self._pieces.append(piece)

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def are_whole(self) -> bool:
        """Return whether they are there and JSON: then a name begins another call."""
        self._looks += 1
        return bool(self._pieces) and self._looks <= _MOST_LOOKS and are_json(self.text)


class _Call:
    """A function call of a stream.

    Without a name it has no number yet, and its pieces are held.
    """

    __slots__ = ("arguments", "given_id", "id", "number", "signature")

    def __init__(self) -> None:
        self.number: int | None = None
        self.given_id = ""  # the provider's
        self.id = ""
        self.signature = ""
        self.arguments = Arguments()


class StreamedCalls:
    """The calls of a stream, numbered as they begin: providers' own numbers repeat or are missing."""

    __slots__ = ("_latest", "count")

    def __init__(self) -> None:
        self.count = 0
        self._latest: dict[int, _Call] = {}  # by the provider's number

    def take(self, delta: Members, reply_id: str) -> Iterator[Event]:
        """Yield the events of a delta. Raises ProviderError for a call without a name."""
        calls = delta.get("tool_calls")
        for piece in calls if isinstance(calls, list) else ():
            if isinstance(piece, dict):
                yield from self._take_one(piece, reply_id)

    def check(self) -> None:
        """The stream has ended. Raises ProviderError for a call whose name has not come."""
        if any(call.number is None for call in self._latest.values()):
            raise nameless()

    def _take_one(self, piece: Members, reply_id: str) -> Iterator[Event]:
        value = piece.get("function")
        function = value if isinstance(value, dict) else {}
        name, given_id, arguments = text_of(function, "name"), text_of(piece, "id"), arguments_of(function)
        index = self._index(piece)
        call = self._latest.get(index)
        if call is None or self._is_another(call, name, given_id):
            if call is not None and call.number is None:
                raise nameless()
            call = self._latest[index] = _Call()
        call.given_id = call.given_id or given_id
        call.signature = call.signature or call_signature(piece)
        call.arguments.add(arguments)
        if call.number is not None:
            if arguments:
                yield ToolDelta(call.number, arguments)
        elif name:
            yield from self._begin(call, name, reply_id)

    def _begin(self, call: _Call, name: str, reply_id: str) -> Iterator[Event]:
        """The name is there: the call begins, with the pieces that were held."""
        call.number = self.count
        self.count += 1
        call.id = call_id({"id": call.given_id}, reply_id, call.number)
        yield ToolBegin(call.number, call.id, name, call.signature, GEMINI if call.signature else None)
        if held := call.arguments.text:
            yield ToolDelta(call.number, held)

    def _index(self, piece: Members) -> int:
        """The provider's number of a call; a piece that has none goes on with the latest, or begins by its id."""
        index = piece.get("index")
        return index if type(index) is int else max(self._latest, default=0)

    def _is_another(self, call: _Call, name: str, given_id: str) -> bool:
        """Return whether a piece under a number that was seen begins a second call.

        A name does, with another id, or without one behind arguments that are whole.
        """
        if not name:
            return False
        if call.number is None:
            return bool(given_id) and bool(call.given_id) and given_id != call.given_id
        if given_id:
            return given_id != call.given_id
        return call.arguments.are_whole()
