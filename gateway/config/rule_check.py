"""Checks of `rules` in `routing.yaml`: a rule that no call can match is a mistake, and would say nothing."""

from collections.abc import Collection, Iterator, Mapping

from gateway.config.crosscheck import ANYBODY, Known, KnownCaller
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted, unknown

_MOST_COMPARED = 200  # rules of one agent, each with all before it

When = Mapping[str, frozenset[str]]


def rule_problems(agent: str, entry: Node, path: Path, known: Known) -> Iterator[Problem]:
    """Return the values that no call has, and the rules that an earlier one never lets be reached."""
    rules = entry.get("rules")
    earlier: list[tuple[int, When]] = []
    for index, rule in enumerate(rules.items if rules else ()):
        when, here = rule.get("when"), (*path, "rules", index)
        if when is None or not isinstance(when.value, Mapping):
            continue
        found = list(_value_problems(agent, when, (*here, "when"), known.callers))
        yield from found
        facts = _facts(when)
        before = next((at for at, other in earlier if _covers(other, facts)), None)
        if before is not None and not found:
            yield rule.problem(here, f"is never reached: rules.{before} takes every call that it would match")
        if len(earlier) < _MOST_COMPARED:
            earlier.append((index, facts))


def _value_problems(agent: str, when: Node, path: Path, callers: Collection[KnownCaller] | None) -> Iterator[Problem]:
    for node in _values(when.get("stream")):
        if _text(node) not in ("true", "false"):
            message = f"{quoted(node.value)} is never the value of `stream`; write true or false"
            yield node.problem((*path, "stream"), message)
    if callers is None:
        return
    able = [each for each in callers if each.agents is None or agent in each.agents]
    names, groups = {each.name for each in able}, {each.group for each in able}
    why = f" (of keys that may call {agent})" if ANYBODY not in callers else " (without `keys` there is no other)"
    found = False
    for fact, those in (("caller", names), ("group", groups)):
        for node in _values(when.get(fact)):
            text = _text(node)
            if text is not None and text not in those:
                found = True
                yield node.problem((*path, fact), unknown(fact, text, those) + why)
    wanted = _facts(when)
    if not found and "caller" in wanted and "group" in wanted and not any(
        each.name in wanted["caller"] and each.group in wanted["group"] for each in able
    ):  # fmt: skip
        yield when.problem(path, "no caller that is named here is in a group that is named here")


def _values(node: Node | None) -> tuple[Node, ...]:
    """The value, or each of a list."""
    if node is None:
        return ()
    return node.items or (node,)


def _text(node: Node) -> str | None:
    """The value as facts spell it; None for what is no value of a rule, which is a problem of its own."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return str(node.value) if isinstance(node.value, str | int) else None


def _facts(when: Node) -> When:
    texts = {fact: [_text(value) for value in _values(node)] for fact, node in when.entries.items()}
    return {fact: frozenset(text for text in found if text is not None) for fact, found in texts.items()}


def _covers(earlier: When, later: When) -> bool:
    """Return whether the earlier rule matches every call that the later one would match."""
    return all(fact in later and later[fact] <= values for fact, values in earlier.items())
