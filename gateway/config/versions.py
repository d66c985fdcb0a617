"""Immutable versions, made from their files."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.agent_file import PARAMETERS, RESERVED, AgentFile
from gateway.config.nodes import Node
from gateway.config.problems import Problem, listed, quoted, unknown
from gateway.config.prompts import PromptFolder, build_prompt
from gateway.config.validation import validate
from gateway.config.version_files import resolve, tool_name
from routing.agents import AgentVersion, Target, Tool


@dataclass(frozen=True, slots=True)
class VersionContext:
    """Context of a version: the configuration folder, and the providers (None while unknown)."""

    folder: Path
    providers: Collection[str] | None


def build_versions(
    agent: str, files: Mapping[str, Node | None], around: VersionContext
) -> tuple[dict[str, AgentVersion], list[Problem]]:
    """The versions of one agent that are well, and what is wrong with the others."""
    versions: dict[str, AgentVersion] = {}
    problems: list[Problem] = []
    for name in files:
        version, found = _build(agent, name, files, around)
        problems.extend(found)
        if version is not None:
            versions[name] = version
    return versions, problems


def _build(
    agent: str, name: str, files: Mapping[str, Node | None], around: VersionContext
) -> tuple[AgentVersion | None, list[Problem]]:
    node, problems = resolve(name, files)
    if node is None:  # what the file itself says is still looked at
        alone = files[name]
        return None, problems if alone is None else [*problems, *validate(AgentFile, alone)[1]]
    file, found = validate(AgentFile, node)
    prompt, prompt_problems = build_prompt(node, file, PromptFolder(around.folder, agent))
    target, target_problems = _target(node, around.providers)
    problems += [*found, *prompt_problems, *target_problems, *_cross_problems(node)]
    if file is None or target is None or problems:
        return None, problems
    may_set = frozenset(file.client_may_set or ())
    return AgentVersion(
        name, target, prompt.system, _parameters(node), _tools(file), may_set, prompt.messages, prompt.inputs
    ), []


def _parameters(node: Node) -> dict[str, str]:
    """Each number as it was written: 1 stays 1 and 1.0 stays 1.0."""
    own = {key: value for key, value in node.entries.items() if key in PARAMETERS}
    extra = node.get("extra")
    return {key: compact(value.plain()) for key, value in {**own, **(extra.entries if extra else {})}.items()}


def _tools(file: AgentFile) -> tuple[Tool, ...]:
    return tuple(Tool(tool.name, compact(tool.definition())) for tool in file.tools or ())


def compact(value: object) -> str:
    """A value as JSON text without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _target(node: Node, providers: Collection[str] | None) -> tuple[Target | None, list[Problem]]:
    model = node.get("model")
    if model is None:
        return None, [node.problem(("model",), "is missing; write provider/model, such as openai/gpt-4o")]
    if model.text is None or providers is None:
        return None, []
    provider, slash, rest = model.text.partition("/")
    if slash and rest and provider in providers:
        return Target(provider, rest), []
    if not slash and len(providers) == 1:
        return Target(next(iter(providers)), model.text), []
    return None, [model.problem(("model",), _which_provider(model.text, provider if slash else None, providers))]


def _which_provider(model: str, provider: str | None, providers: Collection[str]) -> str:
    if provider is not None:
        hint = f"; for a model with a slash in its name write {next(iter(providers))}/{model}" if providers else ""
        return f"{unknown('provider', provider, providers)}{hint}"
    choices = listed(f"{name}/{model}" for name in sorted(providers))
    return f"{quoted(model)} needs its provider in front: {choices}"


def _cross_problems(node: Node) -> Iterator[Problem]:
    yield from _tool_problems(node)
    extra = node.get("extra")
    for key, value in (extra.entries if extra else {}).items():
        if key in RESERVED:
            yield value.problem(("extra", key), f"{key} is a key of its own; it does not belong below extra")
    settable = node.get("client_may_set")
    known = PARAMETERS | (extra.entries.keys() if extra else set())
    for index, item in enumerate(settable.items if settable else ()):
        if item.text is not None and item.text not in known:
            yield item.problem(("client_may_set", index), unknown("parameter", item.text, known))


def _tool_problems(node: Node) -> Iterator[Problem]:
    tools = node.get("tools")
    seen: set[str] = set()
    for index, tool in enumerate(tools.items if tools else ()):
        name = tool_name(tool)
        if name in seen:
            yield tool.problem(("tools", index), f"a second tool called {quoted(name)}; names must be unique")
        seen.add(name or "")
