"""A prompt that was read from another tool's file: what a version keeps of it, and what it cannot."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.config.agent_file import PARAMETERS
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem

Json = dict[str, Any]
# Other tools' names of parameters.
_SPELLED: Final[Mapping[str, str]] = {
    "topP": "top_p", "maxOutputTokens": "max_tokens", "max_output_tokens": "max_completion_tokens",
    "maxTokens": "max_tokens", "stopSequences": "stop", "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}  # fmt: skip
_EXTRA: Final[Mapping[str, str]] = {"topK": "top_k", "top_k": "top_k"}


@dataclass(slots=True)
class Draft:
    """A version that is being made. `refused` are parts without which the prompt would be another one; `left_out` are
    parts that change nothing about its answers.
    """

    content: Json = field(default_factory=dict)
    refused: list[Problem] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)

    def refuse(self, node: Node, path: Path, message: str) -> None:
        self.refused.append(node.problem(path, message))

    def leave_out(self, node: Node, path: Path, message: str = "is not kept: a version has no place for it") -> None:
        self.left_out.append(node.problem(path, message))

    def leave_out_all(self, node: Node, known: Iterable[str], path: Path = ()) -> None:
        """Say of every other key that it is not kept."""
        for key, value in node.entries.items():
            if key not in known:
                self.leave_out(value, (*path, key))

    def take_text(self, node: Node, *names: str) -> None:
        """Keep texts of people's: the name and the description."""
        for name in names:
            if (value := node.get(name)) is not None and value.text:
                self.content[name] = value.text

    def take_parameters(self, node: Node | None, path: Path) -> None:
        """Keep the parameters that a version has, under its names."""
        for key, value in node.entries.items() if node is not None else ():
            name = _SPELLED.get(key, key)
            if name in PARAMETERS:
                self.content[name] = value.plain()
            elif key in _EXTRA:
                self.content.setdefault("extra", {})[_EXTRA[key]] = value.plain()
            else:
                self.leave_out(value, (*path, key))

    def take_messages(self, messages: Iterable[tuple[str, str]]) -> None:
        """Keep messages: leading system messages as the system prompt, the others as they are."""
        systems, turns = list[str](), list[Json]()
        for role, text in messages:
            if role == "system" and not turns:
                systems.append(text)
            elif text.strip():
                turns.append({"role": role, "content": text})
        if systems:
            self.content["system_prompt"] = "\n\n".join(systems)
        if turns:
            self.content["messages"] = turns

    def declare(self, names: Iterable[str], declared: Mapping[str, Json]) -> None:
        """Declare the inputs that the prompt names, as the file does, or else as strings."""
        inputs = {**{name: declared.get(name, {}) for name in names}, **declared}
        if inputs:
            self.content["inputs"] = inputs


def first_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield each problem on one line."""
    for problem in problems:
        yield " ".join(str(problem).split())
