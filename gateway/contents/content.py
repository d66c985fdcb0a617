"""The recorded content of a call: what was asked and what was answered, the same for every wire format.

It is what people read at `/calls/{id}` and what an evaluation takes: messages in, an answer out. Texts are redacted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

PartKind = Literal["text", "reasoning", "refusal", "media", "tool_call", "tool_result", "unread"]
Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ContentPart:
    """A part of a message.

    `text` is what it says: of a `tool_call` its arguments as JSON, of `media` its type and address, and of `unread` the
    JSON of what no reader knows. `id` and `name` are those of a tool's call, and of its result.
    """

    kind: PartKind
    text: str = ""
    id: str = ""
    name: str = ""
    error: bool = False


@dataclass(frozen=True, slots=True)
class ContentMessage:
    """A message of a conversation."""

    role: Role
    parts: tuple[ContentPart, ...]

    @property
    def text(self) -> str:
        """Return what it says as text, without thoughts and tools."""
        return "".join(part.text for part in self.parts if part.kind in ("text", "refusal"))


@dataclass(frozen=True, slots=True)
class CallContent:
    """The texts of a call. `answer` is None where the client got none.

    `left_out` counts messages before the recorded ones, behind the system's; `cut` says that any text is not whole,
    and `complete` that the answer came to its end. `redacted` counts places at which something was taken out.
    """

    messages: tuple[ContentMessage, ...]
    answer: ContentMessage | None = None
    left_out: int = 0
    cut: bool = False
    complete: bool = True
    redacted: int = 0

    @property
    def system(self) -> tuple[ContentMessage, ...]:
        """Return what the client told the model beside the conversation."""
        return tuple(message for message in self.messages if message.role == "system")

    @property
    def texts(self) -> list[str]:
        """Return every text in it, in the order in which `with_texts` takes them."""
        return [part.text for message in self._all() for part in message.parts]

    def with_texts(self, texts: list[str], redacted: int, *, is_cut: bool) -> "CallContent":
        """Return the same with these texts in place of its own."""
        left = iter(texts)
        said = [
            replace(message, parts=tuple(replace(part, text=next(left)) for part in message.parts))
            for message in self._all()
        ]
        messages, answer = (said, None) if self.answer is None else (said[:-1], said[-1])
        return replace(self, messages=tuple(messages), answer=answer, redacted=redacted, cut=is_cut)

    def _all(self) -> Iterator[ContentMessage]:
        yield from self.messages
        if self.answer is not None:
            yield self.answer


def encode(content: CallContent) -> str:
    """Return a content as text for the store."""
    return orjson.dumps(content).decode()


def decode(text: str) -> CallContent:
    """Read back what `encode` has written. A newer release may have more, and an older one less."""
    members: dict[str, Any] = orjson.loads(text)
    answer = members.get("answer")
    return CallContent(
        tuple(map(_message, members.get("messages", ()))),
        None if answer is None else _message(answer),
        *(members[name] for name in ("left_out", "cut", "complete", "redacted")),
    )


def _message(members: Mapping[str, Any]) -> ContentMessage:
    known = ContentPart.__dataclass_fields__
    parts = ({name: value for name, value in part.items() if name in known} for part in members["parts"])
    return ContentMessage(members["role"], tuple(ContentPart(**part) for part in parts))
