"""The difference between canary and stable: model, parameters, tools, and the words of the prompt."""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from gateway.pages.html import NOTHING, Markup, joined, tag
from routing.agents import AgentVersion

_MOST_WORDS = 4000  # of both prompts together are compared word by word
_AROUND = 12  # words that are shown beside a change
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LONGEST = 300


def difference(stable: AgentVersion | None, canary: AgentVersion | None, *, shows_prompts: bool) -> Markup:
    """Return the section on what the canary changes. Prompts are shown to whoever may read them alone."""
    if stable is None or canary is None:
        return tag("section", id="difference", hidden=True)
    rows = [tag("div", tag("dt", name), tag("dd", change)) for name, change in _changes(stable, canary, shows_prompts)]
    nothing = tag("p", "Nothing: both have the same model, parameters, tools and prompt.")
    head = tag("h2", f"What differs in {canary.name}")
    return tag("section", head, tag("dl", *rows, class_="facts") if rows else nothing, id="difference")


def _changes(stable: AgentVersion, canary: AgentVersion, shows_prompts: bool) -> Iterator[tuple[str, Markup]]:
    if stable.target != canary.target:
        yield "model", _change(str(stable.target), str(canary.target))
    for name in sorted({*stable.parameters, *canary.parameters}):
        before, after = stable.parameters.get(name), canary.parameters.get(name)
        if before != after:
            yield name, _change(before, after)
    if stable.client_may_set != canary.client_may_set:
        may = [", ".join(sorted(version.client_may_set)) or None for version in (stable, canary)]
        yield "clients may set", _change(*may)
    yield from _tools(stable, canary)
    before, after = stable.system_prompt or "", canary.system_prompt or ""
    if before != after:
        yield "prompt", _prompt(before, after) if shows_prompts else _prompt_sizes(before, after)


def _change(before: str | None, after: str | None) -> Markup:
    """Return a value before and after; None where it is not set."""
    old = tag("del", before[:_LONGEST]) if before is not None else tag("span", "not set")
    new = tag("ins", after[:_LONGEST]) if after is not None else tag("span", "not set")
    return joined((old, " → ", new))


def _tools(stable: AgentVersion, canary: AgentVersion) -> Iterator[tuple[str, Markup]]:
    before, after = _definitions(stable), _definitions(canary)
    parts = [tag("del", name) for name in before if name not in after]
    parts += [tag("ins", name) for name in after if name not in before]
    parts += [tag("span", f"{name} changed") for name in before if name in after and before[name] != after[name]]
    if parts:
        yield "tools", joined(parts, ", ")


def _definitions(version: AgentVersion) -> Mapping[str, str]:
    return {tool.name: json.dumps(json.loads(tool.definition), sort_keys=True) for tool in version.tools}


def _prompt_sizes(before: str, after: str) -> Markup:
    words = f"changed, from {len(before):,} to {len(after):,} characters; its words are for the admin token"
    return tag("span", words)


def _prompt(before: str, after: str) -> Markup:
    """Return the changed words with some around them."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > _MOST_WORDS:
        return tag("span", f"changed, from {len(before):,} to {len(after):,} characters")
    parts: list[Markup | str] = []
    for kind, first, last, begin, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(_shortened(old[first:last], is_first=first == 0, is_last=last == len(old)))
            continue
        parts.append(tag("del", "".join(old[first:last])) if last > first else NOTHING)
        parts.append(tag("ins", "".join(new[begin:end])) if end > begin else NOTHING)
    return tag("div", *parts, class_="prompt")


def _shortened(words: list[str], *, is_first: bool, is_last: bool) -> str:
    """Return what both have, but only the words next to a change."""
    if len(words) <= 3 * _AROUND:
        return "".join(words)
    head = "" if is_first else "".join(words[:_AROUND])
    tail = "" if is_last else "".join(words[-_AROUND:])
    return f"{head} … {tail}"
