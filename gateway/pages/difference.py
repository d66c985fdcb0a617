"""The difference between canary and stable: model, parameters, tools, and the words of the prompt."""

import json
from collections.abc import Iterator, Mapping

from gateway.pages.html import Markup, joined, tag
from gateway.prompts.word_changes import changes, is_long, shortened
from routing.agents import AgentVersion, PromptInput

_AROUND = 12  # words that are shown beside a change
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
    yield from _inputs(stable, canary)
    before, after = _written(stable), _written(canary)
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


def _inputs(stable: AgentVersion, canary: AgentVersion) -> Iterator[tuple[str, Markup]]:
    for name in sorted({*stable.inputs, *canary.inputs}):
        before, after = stable.inputs.get(name), canary.inputs.get(name)
        if before != after:
            yield f"input {name}", _change(_in_words(before), _in_words(after))


def _in_words(declared: PromptInput | None) -> str | None:
    return None if declared is None else declared.in_words


def _written(version: AgentVersion) -> str:
    """Return all that a version says first, as one text."""
    messages = [f"{message.role}: {message.content}" for message in version.messages]
    return "\n\n".join([*([version.system_prompt] if version.system_prompt else ()), *messages])


def _definitions(version: AgentVersion) -> Mapping[str, str]:
    return {tool.name: json.dumps(json.loads(tool.definition), sort_keys=True) for tool in version.tools}


def _prompt_sizes(before: str, after: str) -> Markup:
    words = f"changed, from {len(before):,} to {len(after):,} characters; its words are for the admin token"
    return tag("span", words)


def _prompt(before: str, after: str) -> Markup:
    """Return the changed words with some around them."""
    if is_long(before, after):
        return tag("span", f"changed, from {len(before):,} to {len(after):,} characters")
    found = list(changes(before, after))
    parts: list[Markup | str] = []
    for at, change in enumerate(found):
        if change.kind == "equal":
            is_last = at == len(found) - 1
            parts.append(shortened(change.words, _AROUND, is_first=at == 0, is_last=is_last))
        else:
            parts.append(tag("del" if change.kind == "removed" else "ins", change.text))
    return tag("div", *parts, class_="prompt")
