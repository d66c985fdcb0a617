"""Messages as `contents` for a provider: turns of the user and the model, one after the other.

Leading system messages are the `systemInstruction`; a later one stands, between <system> tags, in the user's turn.
"""

from collections.abc import Sequence
from typing import Any

from gateway.formats.gemini import NAME
from gateway.formats.gemini._media import fits_a_response, media_part
from gateway.formats.gemini._models import before_three
from gateway.formats.gemini._terms import UNSIGNED
from gateway.formats.google.arguments import arguments_of
from gateway.formats.prompt import Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Untranslatable

Parts = list[dict[str, Any]]


def write_turns(messages: Sequence[Message], model: str) -> tuple[Parts, list[dict[str, Any]]]:
    """The parts of `systemInstruction`, and `contents`. Raises Untranslatable for what Gemini cannot say."""
    leading = next((index for index, each in enumerate(messages) if each.role != "system"), len(messages))
    system = [part for message in messages[:leading] for part in _plain(message.parts)]
    turns = _Turns(model)
    for message in messages[leading:]:
        turns.add(message)
    if not turns.contents and system:  # an instruction alone is no request
        return [], [{"role": "user", "parts": system}]
    return system, turns.finished()


class _Turns:
    """The conversation so far; a message of the role that spoke last goes on where that left off."""

    def __init__(self, model: str) -> None:
        self.contents: list[dict[str, Any]] = []
        self._old = before_three(model)
        self._names: dict[str, str] = {}

    def add(self, message: Message) -> None:
        match message.role:
            case "assistant":
                self._append("model", self._model(message.parts))
            case "user":
                self._append("user", self._user(message))
            case "system":
                self._append("user", [_tagged(part) for part in _plain(message.parts)])

    def finished(self) -> list[dict[str, Any]]:
        """Return the turns. The results of functions come first in a turn: they must follow the call at once."""
        for content in self.contents:
            if content["role"] == "user":
                content["parts"].sort(key=lambda part: "functionResponse" not in part)
            elif not self._old:
                _sign(content["parts"])
        return self.contents

    def _append(self, role: str, parts: Parts) -> None:
        if not parts:
            return
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": parts})

    def _user(self, message: Message) -> Parts:
        written: Parts = []
        for part in message.parts:
            written += self._result(part) if isinstance(part, ToolResult) else _plain([part])
        return _named(message.name, written)

    def _model(self, parts: Sequence[Part]) -> Parts:
        written: Parts = []
        for part in parts:
            if isinstance(part, ToolCall):
                written.append(self._call(part))
            elif isinstance(part, Reasoning):
                _put_reasoning(part, written)
            else:
                written += _plain([part])
        return written

    def _call(self, call: ToolCall) -> dict[str, Any]:
        self._names[call.id] = call.name
        id_ = {"id": call.id} if call.id else {}
        written: dict[str, Any] = {"functionCall": {**id_, "name": call.name, "args": arguments_of(call.arguments)}}
        if call.signature and call.signed_by == NAME:
            written["thoughtSignature"] = call.signature
        return written

    def _result(self, result: ToolResult) -> Parts:
        """The response, and behind it the media that it cannot hold itself."""
        name = result.name or self._names.get(result.call_id)
        if not name:
            raise Untranslatable(
                f"a tool result answers {result.call_id!r}, and no earlier call has that id", param="messages"
            )
        text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        media = [part for part in result.parts if isinstance(part, Media)]
        inside = [] if self._old else [part for part in media if fits_a_response(part)]
        response: dict[str, Any] = {"name": name, "response": {"error" if result.is_error else "output": text}}
        if result.call_id:
            response = {"id": result.call_id, **response}
        if inside:
            response["parts"] = [media_part(part) for part in inside]
        return [{"functionResponse": response}, *(media_part(part) for part in media if part not in inside)]


def _plain(parts: Sequence[Part]) -> Parts:
    """Texts and media; an empty text is nothing to Gemini."""
    written: Parts = []
    for part in parts:
        if isinstance(part, (Text, Refusal)):
            written += [{"text": part.text}] if part.text else []
        elif isinstance(part, Media):
            written.append(media_part(part))
    return written


def _put_reasoning(reasoning: Reasoning, written: Parts) -> None:
    """A thought, or the signature of the part before it. What Gemini has not signed is left out."""
    if reasoning.signed_by != NAME or not reasoning.signature:
        return
    if reasoning.text:
        written.append({"text": reasoning.text, "thought": True, "thoughtSignature": reasoning.signature})
    elif written and "thoughtSignature" not in written[-1]:
        written[-1]["thoughtSignature"] = reasoning.signature
    else:
        written.append({"text": "", "thoughtSignature": reasoning.signature})


def _sign(parts: Parts) -> None:
    """Gemini 3 refuses a turn whose first call has no signature, as those of other models have none."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)


def _tagged(part: dict[str, Any]) -> dict[str, Any]:
    return {"text": f"<system>\n{part['text']}\n</system>"} if "text" in part else part


def _named(name: str, parts: Parts) -> Parts:
    """Gemini knows no participants: the name of one stands before what they say."""
    for part in parts:
        if name and "text" in part:
            part["text"] = f"{name}: {part['text']}"
            break
    return parts
