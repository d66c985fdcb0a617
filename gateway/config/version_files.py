"""The files below `agents/`: found, read, and put together where one extends another."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.config.fields import NAME_PATTERN
from gateway.config.nodes import Node
from gateway.config.problems import Problem, quoted, unknown
from gateway.config.strict_yaml import read_yaml

_SUFFIX: Final = ".yaml"
_MERGED_BY_KEY: Final = (
    "extra",
    "inputs",
    "logit_bias",
)  # open mappings; any other mapping is one value and replaced whole


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """Agent → version → what its file says; None stands for a file that cannot be understood."""

    agents: Mapping[str, Mapping[str, Node | None]]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def read_versions(folder: Path, shown: str) -> VersionFiles:
    """Every version file below `folder`, called `shown` in problems. Hidden names are not looked at."""
    search = _Search(shown)
    for agent in search.visible(folder, shown):
        if agent.is_dir():
            search.agent(agent)
        else:
            search.warnings.append(f"{shown}/{agent.name} is not used: versions are {shown}/<agent>/<version>{_SUFFIX}")
    return VersionFiles(search.agents, tuple(search.problems), tuple(search.warnings))


def resolve(version: str, files: Mapping[str, Node | None]) -> tuple[Node | None, list[Problem]]:
    """Return a version with everything it inherits; None if a file that it extends is unusable."""
    line: list[str] = []
    chain: list[Node] = []
    current: str | None = version
    while current is not None:
        node = files[current]
        if node is None or not isinstance(node.value, Mapping):
            return None, []
        line.append(current)
        chain.append(node)
        current = parent.text if (parent := node.get("extends")) is not None else None
        if current in line:
            path = " → ".join([*line, str(current)])
            return None, [node.entries["extends"].problem(("extends",), f"extends itself:  {path}")]
        if current is not None and current not in files:
            return None, [node.entries["extends"].problem(("extends",), unknown("version", current, files))]
    return _merged(chain)


def _merged(chain: list[Node]) -> tuple[Node, list[Problem]]:
    """The chain from the version itself to its oldest ancestor, put together. A null takes away what was inherited."""
    entries: dict[str, Node] = {}
    problems: list[Problem] = []
    for node in reversed(chain):
        for key, value in node.entries.items():
            if value.value is None:
                if entries.pop(key, None) is None:
                    problems.append(value.problem((key,), "has no value, and there is no inherited one to take away"))
            elif key != "extends" or node is chain[0]:
                entries[key] = _replaced(key, entries.get(key), value)
    return replace(chain[0], value=entries), problems


def _replaced(key: str, inherited: Node | None, own: Node) -> Node:
    if inherited is None:
        return own
    if key == "tools":
        return replace(own, value=_merged_tools(inherited.items, own))
    if key in _MERGED_BY_KEY and isinstance(own.value, Mapping):
        both = {**inherited.entries, **own.entries}
        return replace(own, value={name: node for name, node in both.items() if node.value is not None})
    return own


def _merged_tools(inherited: tuple[Node, ...], own: Node) -> "tuple[Node, ...]":
    """Inherited tools keep their place; one of the same name is replaced there, new ones follow."""
    mine = {tool_name(tool): tool for tool in own.items}
    theirs = [mine.get(tool_name(tool), tool) for tool in inherited]
    used = {id(tool) for tool in theirs}
    return (*theirs, *(tool for tool in own.items if id(tool) not in used))


def tool_name(tool: Node) -> str | None:
    """The name of a tool in either form; None where it has none."""
    name = tool.get("function", "name") or tool.get("name")
    return name.text if name is not None else None


class _Search:
    """A walk through the folder, and the files and problems found on the way."""

    def __init__(self, shown: str) -> None:
        self.agents: dict[str, dict[str, Node | None]] = {}
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self._shown = shown

    def agent(self, folder: Path) -> None:
        versions = self.agents.setdefault(folder.name, {})
        self._check_name(folder.name, f"{self._shown}/{folder.name}")
        for path in self.visible(folder, f"{self._shown}/{folder.name}"):
            place = f"{self._shown}/{folder.name}/{path.name}"
            if path.suffix == ".yml":
                self.warnings.append(f"{place} is not used: rename it to {path.stem}{_SUFFIX}")
            elif path.suffix == _SUFFIX:
                parsed = read_yaml(path, place)
                versions[path.stem] = parsed.root
                self.problems.extend(parsed.problems)
                self._check_name(path.stem, place)

    def visible(self, folder: Path, place: str) -> list[Path]:
        """Sorted entries without hidden ones: editors, Git and Kubernetes (`..data`) keep theirs under such names."""
        try:
            return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.problems.append(Problem(place, 0, "", f"cannot be read: {error.strerror}"))
            return []

    def _check_name(self, name: str, place: str) -> None:
        if not re.fullmatch(NAME_PATTERN, name):
            message = f"{quoted(name)} is not a valid name; use 1 to 64 of A-Z a-z 0-9 . _ -"
            self.problems.append(Problem(place, 0, "", message))
