"""A version's prompt, made from its file: texts, the declarations of its variables, and what is wrong with both."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.agent_file import AgentFile, InputEntry
from gateway.config.nodes import Node, dotted
from gateway.config.nodes import Path as KeyPath
from gateway.config.problems import Problem, quoted
from gateway.config.strict_yaml import UnreadableError, read_text
from gateway.prompts.inputs import json_text, mistake
from gateway.prompts.language import RESERVED, TemplateError, parse
from routing.agents import InputType, PromptInput, PromptMessage

_LONGEST: Final[Mapping[InputType, int]] = {"string": 10_000, "array": 1_000}  # where a declaration says nothing
_OF_JSON: Final[Mapping[type, InputType]] = {
    str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PromptFolder:
    """Files of an agent's prompts, within the configuration folder."""

    folder: Path
    agent: str

    def read(self, name: str) -> tuple[str, str]:
        """Return the path and the text of a file beside the agent's versions, or else in the folder.

        Raises UnreadableError, also for a file outside of the folder.
        """
        nearby = self.folder / "agents" / self.agent
        try:
            found = next((path for path in (nearby / name, self.folder / name) if path.exists()), None)
            inside = found is not None and found.resolve().is_relative_to(self.folder.resolve())
        except (OSError, ValueError, RuntimeError):  # too long a name, a null character, a circle of links
            found, inside = None, False
        if found is None:
            raise UnreadableError(f"not found in {nearby} or {self.folder}")
        if not inside:
            raise UnreadableError("lies outside of the configuration folder; copy it inside")
        return str(found), read_text(found)


@dataclass(frozen=True, slots=True)
class BuiltPrompt:
    """A version's prompt as its file has it."""

    system: str | None = None
    messages: tuple[PromptMessage, ...] = ()
    inputs: Mapping[str, PromptInput] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Written:
    """A template's text, where it stands, and the line there in which it begins; 0 where lines do not correspond."""

    text: str
    node: Node
    path: KeyPath
    file: str
    first_line: int

    def problem(self, error: TemplateError) -> Problem:
        """Return the template's problem at its place."""
        if self.first_line:
            return Problem(self.file, self.first_line + error.line - 1, dotted(self.path), str(error))
        return self.node.problem(self.path, str(error))


def build_prompt(node: Node, file: AgentFile | None, folder: PromptFolder) -> tuple[BuiltPrompt, list[Problem]]:
    """Return the prompt, and what is wrong with it. `file` is what the node says, None where that is not well."""
    problems: list[Problem] = []
    system = _written(node.get("system_prompt"), ("system_prompt",), folder, problems)
    listed = node.get("messages")
    messages = []
    for index, each in enumerate(listed.items if listed is not None else ()):
        role, content = each.get("role"), ("messages", index, "content")
        if (text := _written(each.get("content"), content, folder, problems)) is not None and role is not None:
            messages.append((role.text, text))
    problems += _order_problems(listed)
    if file is None:
        return BuiltPrompt(), problems
    inputs = {name: _declared(entry) for name, entry in (file.inputs or {}).items()}
    problems += _input_problems(node, file, inputs)
    texts = [text for _, text in messages] if system is None else [system, *(text for _, text in messages)]
    problems += [problem for text in texts for problem in _template_problems(text, inputs)]
    made = tuple(PromptMessage(role, text.text) for role, text in messages)  # type: ignore[arg-type]  # validated
    return BuiltPrompt(None if system is None else system.text, made, inputs), problems


def _written(node: Node | None, path: KeyPath, folder: PromptFolder, problems: list[Problem]) -> _Written | None:
    """Return a text that stands in the version's file, or in the file that it names."""
    if node is None:
        return None
    named = node.get("file")
    if named is None or named.text is None:
        return None if node.text is None else _Written(node.text, node, path, node.file, node.text_line)
    try:
        place, text = folder.read(named.text)
    except UnreadableError as error:
        problems.append(named.problem((*path, "file"), f"{quoted(named.text)} {error}"))
        return None
    return _Written(text, node, path, place, 1)


def _order_problems(listed: Node | None) -> Iterator[Problem]:
    is_begun = False
    for index, each in enumerate(listed.items if listed is not None else ()):
        role = each.get("role")
        if role is None:
            continue
        place = ("messages", index, "role")
        if role.text == "system" and is_begun:
            yield role.problem(place, "system messages come before those of users and assistants; move it up")
        if role.text == "assistant" and not is_begun:
            yield role.problem(place, "an answer needs something to answer; put a user's message before it")
        is_begun = is_begun or role.text != "system"


def _template_problems(written: _Written, inputs: Mapping[str, PromptInput]) -> Iterator[Problem]:
    try:
        parse(written.text, inputs)
    except TemplateError as error:
        yield written.problem(error)


def _declared(entry: InputEntry) -> PromptInput:
    sample = entry.enum[0] if entry.enum else entry.default
    kind = entry.type or _OF_JSON.get(type(sample), "string")
    return PromptInput(
        kind,
        _LONGEST.get(kind) if entry.max_length is None else entry.max_length,
        tuple(map(json_text, entry.enum or ())),
        None if entry.default is None else json_text(entry.default),
        entry.required,
    )


def _input_problems(node: Node, file: AgentFile, inputs: Mapping[str, PromptInput]) -> Iterator[Problem]:
    for name, declared in inputs.items():
        entry, written = (file.inputs or {})[name], node.get("inputs", name) or node
        path: KeyPath = ("inputs", name)
        if name in RESERVED:
            yield written.problem(path, f"{quoted(name)} is a word of templates; choose another name")
        if entry.max_length is not None and declared.type not in _LONGEST:
            message = f"is for strings and arrays; a value of type {declared.type} has no length"
            yield (written.get("max_length") or written).problem((*path, "max_length"), message)
            continue
        plain = PromptInput(declared.type, declared.max_length)
        for index, value in enumerate(entry.enum or ()):
            if why := mistake(value, plain):
                yield (written.get("enum") or written).problem((*path, "enum", index), why)
        if entry.default is not None and (why := mistake(entry.default, declared)):
            yield (written.get("default") or written).problem((*path, "default"), why)
