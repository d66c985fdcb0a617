"""Checks of what clients may name beside agents: the patterns of `models`, those of keys, and `aliases`."""

import re
from collections.abc import Iterator

from gateway.config.crosscheck import Known, entries
from gateway.config.fields import MODEL_PATTERN, NAME_PATTERN, TARGET_PATTERN
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted, unknown
from routing.chain import Target
from routing.models import ModelPattern, is_among


def patterns_in(root: Node | None, *keys: str) -> tuple[ModelPattern, ...] | None:
    """Return the patterns of a list as far as they can be read; None where there is no list."""
    listed = root.get(*keys) if root is not None else None
    if listed is None:
        return None
    return tuple(pattern for _, _, pattern in _patterns(listed, keys))


def model_problems(root: Node, known: Known) -> Iterator[Problem]:
    """Return the patterns in `gateway.yaml` that can match nothing."""
    for path, item, pattern in _patterns(root.get("models"), ("models",)):
        yield from _provider_problem(path, item, pattern, known)
    passed = patterns_in(root, "models") or ()
    for name, key in entries(root, "keys"):
        for path, item, pattern in _patterns(key.get("models"), ("keys", name, "models")):
            yield from _provider_problem(path, item, pattern, known)
            if not any(pattern.overlaps(each) for each in passed):
                among = ", ".join(map(str, passed)) or "none, as there is no `models` beside `keys`"
                yield item.problem(path, f"{quoted(item.text)} is not among the models that are passed on: {among}")


def alias_problems(root: Node, known: Known) -> Iterator[Problem]:
    """Return the aliases in `routing.yaml` that would hide an agent, or lead nowhere."""
    agents = known.agents or ()
    for alias, target in entries(root, "aliases"):
        path: Path = ("aliases", alias)
        owner, mark, _ = alias.partition("@")
        if alias in agents:
            yield target.problem(path, f"{quoted(alias)} is an agent already; remove the alias, or rename the agent")
        elif mark and owner in agents:
            yield target.problem(path, f"{quoted(alias)} names a version of the agent {owner!r}; choose another alias")
        yield from _target_problem(path, target, known)


def _target_problem(path: Path, target: Node, known: Known) -> Iterator[Problem]:
    text = target.text or ""
    if re.fullmatch(NAME_PATTERN, text):
        if known.agents is not None and text not in known.agents:
            yield target.problem(path, f"{unknown('agent', text, known.agents)}; for a model write provider/model")
        return
    if not re.fullmatch(TARGET_PATTERN, text) or known.providers is None:
        return
    provider, _, model = text.partition("/")
    if provider not in known.providers:
        yield target.problem(path, unknown("provider", provider, known.providers))
    elif known.models is not None and not is_among(Target(provider, model), known.models):
        yield target.problem(path, f"{quoted(text)} is passed on to nobody; add it to `models` in gateway.yaml")


def _patterns(listed: Node | None, path: Path) -> Iterator[tuple[Path, Node, ModelPattern]]:
    for index, item in enumerate(listed.items if listed else ()):
        if item.text is not None and re.fullmatch(MODEL_PATTERN, item.text):
            yield (*path, index), item, ModelPattern.of(item.text)


def _provider_problem(path: Path, item: Node, pattern: ModelPattern, known: Known) -> Iterator[Problem]:
    if known.providers is not None and pattern.provider not in known.providers:
        yield item.problem(path, unknown("provider", pattern.provider, known.providers))
