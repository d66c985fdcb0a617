"""Result of an attempt's whole answer."""

from dataclasses import dataclass

from gateway.calls import Usage
from gateway.tool_use import NO_END, AnswerEnd


@dataclass(slots=True)
class Whole:
    """A whole answer as the client gets it, what it used, and whether its tool calls can be carried out.

    `refused` says that it is no answer but a refusal: a content filter's, or the model's own.
    `end` is what it ends with, `id` and `model` are the provider's names, or ''.
    """

    body: bytes
    usage: Usage | None
    arguments_are_json: bool
    refused: bool = False
    end: AnswerEnd = NO_END
    id: str = ""
    model: str = ""
