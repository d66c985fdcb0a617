"""A client's `contents` as messages: its roles, its parts, and which result answers which call.

Calls without an id get one from their position in the conversation, so that it stays the same in every later turn.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from mimetypes import guess_type
from typing import Any

from gateway.errors import CallerError
from gateway.formats.gemini import NAME
from gateway.formats.gemini._members import Members, wrong
from gateway.formats.gemini._terms import kind_of, signature_of
from gateway.formats.prompt import Media, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from gateway.json_body import encode

_ROLES: dict[str, Role] = {"": "user", "user": "user", "model": "assistant", "function": "user", "tool": "user"}
_STANDARD = str.maketrans("-_", "+/")
_VIDEOS = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
PREFIX = "contents.parts."


class GeminiConversation:
    """Reader of contents, one after the other. `extras` collects the members that no message can hold."""

    def __init__(self) -> None:
        self.extras: dict[str, Any] = {}
        self._open: dict[int, str] = {}  # ids of the calls that nothing has answered yet, by their number
        self._by_id: defaultdict[str, deque[int]] = defaultdict(deque)  # numbers of calls, answered ones too
        self._by_name: defaultdict[str, deque[int]] = defaultdict(deque)
        self._calls = 0

    def messages(self, contents: Iterable[Members]) -> list[Message]:
        return [message for content in contents if (message := self._message(content)).parts]

    def parts(self, content: Members) -> tuple[Part, ...]:
        """The parts of one content. Raises CallerError and names the field that is wrong."""
        return tuple(part for each in content.objects("parts") for part in self._part(each))

    def _message(self, content: Members) -> Message:
        if (role := _ROLES.get(content.text("role").lower())) is None:
            raise wrong(content.at("role"), "user or model")
        parts = self.parts(content)
        if role == "assistant" and any(isinstance(part, ToolResult) for part in parts):
            raise CallerError("a functionResponse belongs in a turn of the user", param=content.at("parts"))
        if role == "user" and any(isinstance(part, ToolCall) for part in parts):
            raise CallerError("a functionCall belongs in a turn of the model", param=content.at("parts"))
        return Message(role, parts)

    def _part(self, part: Members) -> list[Part]:
        """Read one part, followed by the signature that it carries where it cannot hold one itself."""
        signature = signature_of(part.text("thoughtSignature"))
        thought = part.flag("thought")
        if (text := part.take("text")) is not None and not isinstance(text, str):
            raise wrong(part.at("text"), "a string")
        signed = NAME if signature else None
        found: list[Part] = []
        if text is not None and thought:
            found, signature = [Reasoning(text, signature, signed_by=signed)], ""
        elif text:
            found = [Text(text)]
        if (media := _media(part)) is not None:
            found.append(media)
        if (call := part.object("functionCall")) is not None:
            found, signature = [self._call(call, signature)], ""
        if (result := part.object("functionResponse")) is not None:
            found.append(self._result(result))
        self.extras |= {PREFIX + name: value for name, value in part.rest().items()}
        return [*found, Reasoning(signature=signature, signed_by=NAME)] if signature else found

    def _call(self, call: Members, signature: str) -> ToolCall:
        name, arguments = call.text("name"), call.take("args")
        if not name:
            raise wrong(call.at("name"), "the name of a function")
        if arguments is not None and not isinstance(arguments, dict):
            raise wrong(call.at("args"), "an object")
        id_ = call.text("id") or f"call_{self._calls}"
        self._open[self._calls] = id_
        self._by_id[id_].append(self._calls)
        self._by_name[name].append(self._calls)
        self._calls += 1
        self._rest(call, "functionCall")
        return ToolCall(id_, name, encode(arguments or {}), signature, NAME if signature else None)

    def _result(self, result: Members) -> ToolResult:
        name, response = result.text("name"), result.take("response")
        if response is not None and not isinstance(response, dict):
            raise wrong(result.at("response"), "an object")
        id_ = self._answered(result.text("id"), name, result.path)
        text, is_error = _said(response or {})
        parts: list[Text | Media] = [Text(text)] if text else []
        for part in result.objects("parts"):
            if (media := _media(part)) is not None:
                parts.append(media)
            self.extras |= {f"{PREFIX}functionResponse.parts.{key}": value for key, value in part.rest().items()}
        self._rest(result, "functionResponse")
        return ToolResult(id_, tuple(parts), name, is_error)

    def _answered(self, id_: str, name: str, path: str) -> str:
        """The id of the call that a result answers: the one it names, else the first open one of that name.

        Gemini CLI gives results ids of its own, which no call has.
        """
        numbers = self._by_id[id_] if id_ in self._by_id else self._by_name.get(name, deque())
        while numbers:
            if (call := self._open.pop(numbers.popleft(), None)) is not None:
                return call
        if id_:
            return id_
        raise CallerError(f"no functionCall before this response called {name!r}", param=path)

    def _rest(self, members: Members, kind: str) -> None:
        self.extras |= {f"{PREFIX}{kind}.{name}": value for name, value in members.rest().items()}


def _media(part: Members) -> Media | None:
    if (inline := part.object("inlineData")) is not None:
        mime, name = inline.text("mimeType"), inline.text("displayName")
        # Google's SDK writes the alphabet for URLs, which others do not read.
        return Media(kind_of(mime), mime, inline.text("data").translate(_STANDARD), name=name)
    if (file := part.object("fileData")) is not None:
        mime, uri, name = file.text("mimeType"), file.text("fileUri"), file.text("displayName")
        if not uri:
            raise wrong(file.at("fileUri"), "a URI")
        if _is_theirs(uri):
            return Media(kind_of(mime), mime, file_id=uri, name=name)
        return Media(kind_of(mime or _guessed(uri)), mime, url=uri, name=name)
    return None


def _guessed(uri: str) -> str:
    return "video/*" if uri.startswith(_VIDEOS) else guess_type(uri.partition("?")[0])[0] or ""


def _is_theirs(uri: str) -> bool:
    """Return whether only Google's own models can open the URI: a file of its Files API or cloud storage."""
    return not uri.startswith(("https://", "http://")) or "generativelanguage.googleapis.com/" in uri


def _said(response: dict[str, Any]) -> tuple[str, bool]:
    """Return a function's result as text, and whether it is an error.

    `output` and `error` are the API's own words, `result` is the SDK's; any other object is the answer itself.
    """
    if len(response) == 1:
        ((name, value),) = response.items()
        if name in ("output", "result", "error"):
            return (value if isinstance(value, str) else encode(value)), name == "error"
    return (encode(response) if response else ""), "error" in response and "output" not in response
