"""Steps of a conversation: a client's `input` as messages, and messages as the `input` for a provider.

Steps of tools that run at Google go to `extras`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.errors import CallerError
from gateway.formats import values
from gateway.formats.gemini_interactions import NAME
from gateway.formats.gemini_interactions._content import is_content, read_content, read_contents, write_content
from gateway.formats.google.arguments import arguments_of
from gateway.formats.prompt import Media, Message, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from gateway.formats.turns import leading_systems, nothing_to_answer, unsayable
from gateway.json_body import encode

Json = dict[str, Any]
_Step = Mapping[str, Any]


class StepHistory:
    """Turns of an `input`, step by step. `extras` collects what no message can hold."""

    __slots__ = ("_names", "_turns", "extras")

    def __init__(self) -> None:
        self.extras: Json = {}
        self._turns: list[tuple[Role, list[Part]]] = []
        self._names: dict[str, str] = {}

    @property
    def messages(self) -> list[Message]:
        """The turns that were read."""
        return [Message(role, tuple(parts)) for role, parts in self._turns]

    def read(self, value: object) -> None:
        """Read a whole `input`: text, one block of content, or a list of blocks or steps. Raises CallerError."""
        if isinstance(value, str):
            self._add("user", [Text(value)])
            return
        listed = value if isinstance(value, list) else [value]
        for index, each in enumerate(listed):
            param = f"input[{index}]"
            step = values.members(each, param)
            if "type" not in step:
                message = f"{param} has no type: send steps, as the API does since its revision of 2026-05-20"
                raise CallerError(message, param=f"{param}.type")
            self._step(step, values.text(step["type"], f"{param}.type"), param)

    def _step(self, step: _Step, kind: str, param: str) -> None:
        if is_content(kind):
            part = read_content(step, param, self.extras)
            self._add("user", [] if part is None else [part])
        elif reader := _READERS.get(kind):
            reader(self, step, param)
        else:
            self.extras[f"input.{kind}"] = step

    def user_input(self, step: _Step, param: str) -> None:
        self._add("user", read_contents(step.get("content"), f"{param}.content", self.extras))

    def model_output(self, step: _Step, param: str) -> None:
        self._add("assistant", read_contents(step.get("content"), f"{param}.content", self.extras))

    def thought(self, step: _Step, param: str) -> None:
        summary = read_contents(step.get("summary"), f"{param}.summary", self.extras)
        text = "\n\n".join(part.text for part in summary if isinstance(part, Text))
        signature = values.optional_text(step, "signature", param)
        if text or signature:
            self._add("assistant", [Reasoning(text, signature, signed_by=NAME if signature else None)])

    def function_call(self, step: _Step, param: str) -> None:
        id_, name = values.text(step.get("id"), f"{param}.id"), values.text(step.get("name"), f"{param}.name")
        arguments = step.get("arguments")
        written = encode({} if arguments is None else values.members(arguments, f"{param}.arguments"))
        signature = values.optional_text(step, "signature", param)
        self._names[id_] = name
        self._add("assistant", [ToolCall(id_, name, written, signature, NAME if signature else None)])

    def function_result(self, step: _Step, param: str) -> None:
        call_id = values.text(step.get("call_id"), f"{param}.call_id")
        name = values.optional_text(step, "name", param) or self._names.get(call_id, "")
        is_error = step.get("is_error") is not None and values.flag(step["is_error"], f"{param}.is_error")
        self._add("user", [ToolResult(call_id, self._result(step.get("result"), param), name, is_error)])

    def _result(self, value: object, param: str) -> tuple[Text | Media, ...]:
        """Read a function's result: text, blocks, or any object, which is the answer itself."""
        if isinstance(value, dict) and [*value] == ["content"]:
            value = value["content"]
        if isinstance(value, str) or (isinstance(value, list) and all(map(_is_block, value))):
            return read_contents(value, f"{param}.result", self.extras)
        return (_json(value),)

    def _add(self, role: Role, parts: Sequence[Part]) -> None:
        if not parts:
            return
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(parts)
        else:
            self._turns.append((role, list(parts)))


def _is_block(value: object) -> bool:
    return isinstance(value, dict) and is_content(value.get("type"))


def _json(value: object) -> Text:
    return Text("" if value is None else encode(value))


_READERS: Mapping[str, Callable[[StepHistory, _Step, str], None]] = {
    "user_input": StepHistory.user_input,
    "model_output": StepHistory.model_output,
    "thought": StepHistory.thought,
    "function_call": StepHistory.function_call,
    "function_result": StepHistory.function_result,
}


def write_steps(messages: Sequence[Message]) -> tuple[str, list[Json]]:
    """The text of `system_instruction`, and the steps. Raises Untranslatable for what no step can say.

    A later system message stands, between <system> tags, in the user's input.
    """
    leading = leading_systems(messages)
    rest = messages[len(leading) :]
    system = "\n\n".join(text for message in leading for text in _texts(message))
    steps = [step for message in rest for step in _steps(message)]
    if not steps and system:  # an instruction alone is no request
        return "", [_spoken("user_input", [Text(system)])]
    if not steps:
        raise nothing_to_answer()
    return system, steps


def _texts(message: Message) -> Iterator[str]:
    for part in message.parts:
        if not isinstance(part, Text):
            raise unsayable("a system message can hold text only here")
        if part.text:
            yield part.text


def _steps(message: Message) -> Iterator[Json]:
    kind = "model_output" if message.role == "assistant" else "user_input"
    spoken: list[Text | Refusal | Media] = []
    for part in _named(message):
        if isinstance(part, (Text, Refusal, Media)):
            if isinstance(part, Media) or part.text:
                spoken.append(part)
            continue
        if spoken:
            yield _spoken(kind, spoken)
            spoken = []
        yield from _step_of(part)
    if spoken:
        yield _spoken(kind, spoken)


def _named(message: Message) -> Iterator[Part]:
    """Yield the parts: a participant's name stands before what they say, a later system message between tags."""
    name = message.name
    for part in message.parts:
        if message.role == "system" and isinstance(part, Text):
            yield Text(f"<system>\n{part.text}\n</system>")
        elif name and isinstance(part, Text):
            yield Text(f"{name}: {part.text}")
            name = ""
        else:
            yield part


def _step_of(part: ToolCall | ToolResult | Reasoning) -> Iterator[Json]:
    """Yield the steps of a part that stands alone; none for thoughts that Gemini has not signed."""
    match part:
        case ToolCall():
            call: Json = {"type": "function_call", "id": part.id, "name": part.name}
            signed = {"signature": part.signature} if part.signature and part.signed_by == NAME else {}
            yield {**call, "arguments": arguments_of(part.arguments), **signed}
        case ToolResult():
            result: Json = {"type": "function_result", "call_id": part.call_id, "result": _outcome(part)}
            result |= {"name": part.name} if part.name else {}
            yield {**result, "is_error": True} if part.is_error else result
        case Reasoning() if part.signature and part.signed_by == NAME:
            summary = [{"type": "text", "text": part.text}] if part.text else []
            yield {"type": "thought", "signature": part.signature, **({"summary": summary} if summary else {})}


def _outcome(result: ToolResult) -> str | list[Json]:
    if all(isinstance(part, Text) for part in result.parts):
        return "\n".join(part.text for part in result.parts if isinstance(part, Text))
    return [write_content(part) for part in result.parts]


def _spoken(kind: str, parts: Sequence[Text | Refusal | Media]) -> Json:
    return {"type": kind, "content": [write_content(part) for part in parts]}
