"""Read `input`: a string, or items of a conversation, into turns.

What a model said in one turn comes as several items (reasoning, messages, calls) and becomes one turn again. Items that
stand for something stored at a provider, or for a tool that runs there, go to `extras`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.errors import CallerError
from gateway.formats import values
from gateway.formats.marks import Seal, is_sealed, unseal
from gateway.formats.openai_responses import NAME, _content
from gateway.formats.openai_responses._tools import INPUT
from gateway.formats.prompt import Media, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from gateway.json_body import encode

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_Item = Mapping[str, Any]


class ItemHistory:
    """The turns of an `input`, item by item. Every method raises CallerError for an item that is not what it says."""

    __slots__ = ("_names", "_seals", "_turns", "extras")

    def __init__(self) -> None:
        self._turns: list[tuple[Role, list[Part]]] = []
        self.extras: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._seals: dict[str, Seal] = {}

    @property
    def messages(self) -> list[Message]:
        """The turns that were read."""
        return [Message(role, tuple(parts)) for role, parts in self._turns]

    def instruct(self, text: str) -> None:
        """Put the system's instructions before everything else."""
        self._turns.append(("system", [Text(text)]))

    def read(self, value: object) -> None:
        """The whole `input`."""
        if isinstance(value, str):
            self._turns.append(("user", [Text(value)]))
            return
        for index, each in enumerate(values.items(value, "input")):
            param = f"input[{index}]"
            item = values.members(each, param)
            kind = values.text(item.get("type", "message"), f"{param}.type")
            if reader := _READERS.get(kind):
                reader(self, item, param)
            else:
                self.extras[f"input.{kind}"] = item

    def message(self, item: _Item, param: str) -> None:
        role = _ROLES[values.one_of(item.get("role"), f"{param}.role", _ROLES)]
        parts = _content.read(item.get("content"), f"{param}.content", self.extras)
        if role == "assistant":
            self._said(parts)
        elif parts:
            self._turns.append((role, list(parts)))

    def call(self, item: _Item, param: str) -> None:
        call_id, name = (
            values.text(item.get("call_id"), f"{param}.call_id"),
            values.text(item.get("name"), f"{param}.name"),
        )
        arguments = values.text(item.get("arguments"), f"{param}.arguments")
        self._names[call_id] = name
        call = ToolCall(call_id, name, arguments)
        if seal := self._seals.pop(call_id, None):
            call = replace(call, signature=seal.signature, signed_by=seal.by)
        self._said((call,))

    def custom_call(self, item: _Item, param: str) -> None:
        """A call of a tool whose input is text, as a call of its function."""
        self.call({**item, "arguments": encode({INPUT: values.text(item.get("input"), f"{param}.input")})}, param)

    def result(self, item: _Item, param: str) -> None:
        call_id = values.text(item.get("call_id"), f"{param}.call_id")
        parts = _content.read(item.get("output"), f"{param}.output", self.extras)
        if any(not isinstance(part, (Text, Media)) for part in parts):
            raise CallerError(f"{param}.output must be text, images or files", param=f"{param}.output")
        shown = tuple(part for part in parts if isinstance(part, (Text, Media)))
        name = values.optional_text(item, "name", param) or self._names.get(call_id, "")
        self._answered(ToolResult(call_id, shown, name))

    def reasoning(self, item: _Item, param: str) -> None:
        encrypted = values.optional_text(item, "encrypted_content", param)
        text = _thoughts(item, "summary", param) or _thoughts(item, "content", param)
        if (seal := unseal(encrypted)) and seal.call_id:
            self._seals[seal.call_id] = seal
            return
        item_id = values.optional_text(item, "id", param)
        if seal:
            self._said((Reasoning(text, seal.signature, seal.encrypted, seal.by),))
        elif encrypted and not is_sealed(encrypted):
            self._said((Reasoning(text, encrypted=encrypted, signed_by=NAME, id=item_id),))
        elif text:
            self._said((Reasoning(text),))

    def image(self, item: _Item, param: str) -> None:
        """An image that the model made: those of other formats' models come to clients as such items."""
        data = values.optional_text(item, "result", param)
        kind = values.optional_text(item, "output_format", param) or "png"
        self._said((Media("image", f"image/{kind}", data),) if data else ())

    def _said(self, parts: tuple[Part, ...]) -> None:
        if not parts:
            return
        if not self._turns or self._turns[-1][0] != "assistant":
            self._turns.append(("assistant", []))
        self._turns[-1][1].extend(parts)

    def _answered(self, result: ToolResult) -> None:
        """Results of one turn's calls stand in one message."""
        if not self._turns or not isinstance(self._turns[-1][1][0], ToolResult):
            self._turns.append(("user", []))
        self._turns[-1][1].append(result)


def _thoughts(item: _Item, name: str, param: str) -> str:
    """The texts of a reasoning item's parts, one paragraph each."""
    if item.get(name) is None:
        return ""
    parts = values.each(item[name], f"{param}.{name}", values.members)
    return "\n\n".join(values.text(part.get("text"), f"{param}.{name}.text") for part in parts)


_READERS: Mapping[str, Callable[[ItemHistory, _Item, str], None]] = {
    "message": ItemHistory.message,
    "function_call": ItemHistory.call,
    "function_call_output": ItemHistory.result,
    "custom_tool_call": ItemHistory.custom_call,
    "custom_tool_call_output": ItemHistory.result,
    "reasoning": ItemHistory.reasoning,
    "image_generation_call": ItemHistory.image,
}
