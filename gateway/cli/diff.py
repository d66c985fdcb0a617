"""`serinus diff AGENT VERSION VERSION`: what changes from one version to another, prompts by their words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.output import TextRow
from gateway.config import AnyEnvironment, load
from gateway.prompts.word_changes import WordChange, changes, shortened
from gateway.terminal import Palette, printable
from routing.agents import AgentVersion, PromptInput

_AROUND: Final = 12  # words that are shown beside a change


class UnknownName(Exception):
    """The configuration has no such agent, or the agent no such version."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A part of a version before and after; None where it is not there. `words` are those of a prompt."""

    part: str
    before: str | None
    after: str | None
    words: tuple[WordChange, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Changes from one version to another."""

    agent: str
    before: AgentVersion
    after: AgentVersion
    changes: tuple[VersionChange, ...]


def compare(folder: Path, agent: str, before: str, after: str) -> VersionDiff:
    """Return what changes. Raises ConfigProblems, UnknownName."""
    agents = load(folder, AnyEnvironment()).agents
    if agent not in agents:
        raise UnknownName(f"unknown agent {agent!r}; known: {', '.join(agents)}")
    versions = agents[agent].versions
    for name in (before, after):
        if name not in versions:
            raise UnknownName(f"{agent!r} has no version {name!r}; known: {', '.join(versions)}")
    old, new = versions[before], versions[after]
    return VersionDiff(agent, old, new, tuple(_changes(old, new)))


def as_json(diff: VersionDiff) -> dict[str, object]:
    """Return the difference as plain data."""
    return {
        "agent": diff.agent,
        "before": {"version": diff.before.name, "digest": diff.before.digest},
        "after": {"version": diff.after.name, "digest": diff.after.digest},
        "same": diff.before.digest == diff.after.digest,
        "changes": [_change_as_json(change) for change in diff.changes],
    }


def as_rows(diff: VersionDiff, colours: Palette) -> Iterator[TextRow]:
    """Yield the lines of the difference, short parts as before and after."""
    if not diff.changes:
        yield TextRow(f"{diff.before.name} and {diff.after.name} have the same content")
        return
    yield TextRow(f"{diff.agent}: {diff.before.name} → {diff.after.name}", "bold")
    for change in diff.changes:
        yield TextRow(f"\n{change.part}", "cyan")
        if change.words:
            yield TextRow(_marked(change.words, colours))
            continue
        if change.before is not None:
            yield TextRow(f"- {change.before}", "red")
        if change.after is not None:
            yield TextRow(f"+ {change.after}", "green")


def painted_words(rows: Iterator[TextRow], colours: Palette) -> str:
    """Return rows as text; words that are coloured already stay as they are."""
    return "\n".join(_painted(row, colours) for row in rows)


def _painted(row: TextRow, colours: Palette) -> str:
    return row.text if not row.style else str(getattr(colours, row.style)(printable(row.text)))


def _marked(words: tuple[WordChange, ...], colours: Palette) -> str:
    """Return a text with its changes in colour, or in brackets where there are no colours."""
    return "".join(_piece(change, at == 0, at == len(words) - 1, colours) for at, change in enumerate(words))


def _piece(change: WordChange, is_first: bool, is_last: bool, colours: Palette) -> str:
    if change.kind == "equal":
        return printable(shortened(change.words, _AROUND, is_first=is_first, is_last=is_last))
    text = printable(change.text)
    if not colours.is_on:
        return f"[-{text}-]" if change.kind == "removed" else f"{{+{text}+}}"
    paint = colours.red if change.kind == "removed" else colours.green
    return "\n".join(paint(line) for line in text.split("\n"))


def _changes(old: AgentVersion, new: AgentVersion) -> Iterator[VersionChange]:
    if old.target != new.target:
        yield VersionChange("model", str(old.target), str(new.target))
    yield from _by_name("parameters", old.parameters, new.parameters)
    if old.client_may_set != new.client_may_set:
        before, after = (", ".join(sorted(version.client_may_set)) or None for version in (old, new))
        yield VersionChange("client_may_set", before, after)
    yield from _by_name("tools", _tools(old), _tools(new))
    yield from _by_name("inputs", _inputs(old.inputs), _inputs(new.inputs))
    yield from _prompt("system_prompt", old.system_prompt, new.system_prompt)
    for at in range(max(len(old.messages), len(new.messages))):
        texts = [f"{m.role}: {m.content}" for version in (old, new) for m in version.messages[at : at + 1]]
        before = texts[0] if at < len(old.messages) else None
        yield from _prompt(f"messages.{at}", before, texts[-1] if at < len(new.messages) else None)


def _by_name(part: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[VersionChange]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield VersionChange(f"{part}.{name}", old.get(name), new.get(name))


def _prompt(part: str, before: str | None, after: str | None) -> Iterator[VersionChange]:
    if before != after:
        yield VersionChange(part, before, after, tuple(changes(before or "", after or "")))


def _tools(version: AgentVersion) -> dict[str, str]:
    return {tool.name: json.dumps(json.loads(tool.definition), sort_keys=True) for tool in version.tools}


def _inputs(inputs: Mapping[str, PromptInput]) -> dict[str, str]:
    return {name: declared.in_words for name, declared in inputs.items()}


def _change_as_json(change: VersionChange) -> dict[str, object]:
    words = {"words": [[word.kind, word.text] for word in change.words]} if change.words else {}
    return {"part": change.part, "before": change.before, "after": change.after, **words}
