"""Checks of the way to the answer: which tools were called in all turns, in which order, with which arguments.

The gateway has seen the calls, so no traces are needed. A step is a call of a tool; `trajectory:step-count` counts the
model's turns as well, as steps of the type `message`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from evals.checks.checkable import Checkable
from evals.checks.javascript import equal, parse_json, text_of
from evals.checks.scores import CaseScore, decided

StepType = Literal["tool", "message"]


@dataclass(frozen=True, slots=True)
class SeenStep:
    """A step as checks see it. `arguments` is None where the model gave none."""

    type: StepType
    name: str
    arguments: JsonValue = None


def check_tool_used(given: Checkable) -> CaseScore:
    """Each tool of the value was called; with `not-`, none of them. An object asks for a number of calls."""
    spec, value = given.spec, given.spec.value
    steps = _tools(given)
    if isinstance(value, Mapping):
        count = sum(_fits(step, value) for step in steps)
        least, most = _number(value.get("min"), 1.0), _number(value.get("max"), float("inf"))
        return decided(spec, least <= count <= most, f"{_label(value)} was called {count} times; {_called(steps)}")
    wanted = [text_of(part) for part in value] if isinstance(value, list) else [text_of(value)]
    used = [name for name in wanted if any(matches(step.name, name) for step in steps)]
    if spec.negated:
        return CaseScore(not used, float(not used), f"forbidden: {', '.join(wanted)}; {_called(steps)}")
    holds = len(used) == len(wanted)
    return decided(spec, holds, f"expected {', '.join(wanted)}; {_called(steps)}")


def check_tool_sequence(given: Checkable) -> CaseScore:
    """The tools were called in this order; with `mode: exact` no other ones."""
    value = given.spec.value
    wanted, mode = (value.get("steps"), value.get("mode")) if isinstance(value, Mapping) else (value, None)
    expected, steps = wanted if isinstance(wanted, list) else [], _tools(given)
    if mode == "exact":
        holds = len(steps) == len(expected) and all(map(_fits, steps, expected))
    else:
        left = iter(steps)
        holds = all(any(_fits(step, one) for step in left) for one in expected)
    return decided(given.spec, holds, f"expected {' → '.join(map(_label, expected))}; {_called(steps)}")


def check_tool_args_match(given: Checkable) -> CaseScore:
    """A call of the tool had these arguments, and maybe more; with `mode: exact` no more."""
    value = given.spec.value if isinstance(given.spec.value, Mapping) else {}
    expected = value.get("args", value.get("arguments"))
    calls = [step for step in _tools(given) if _fits(step, value)]
    holds = any(step.arguments is not None and _has(step.arguments, expected, value) for step in calls)
    seen = ", ".join(text_of(str(step.arguments))[:200] for step in calls[:3]) or "no call"
    return decided(given.spec, holds, f"arguments of {_label(value)}: {seen}")


def check_step_count(given: Checkable) -> CaseScore:
    """The number of steps that fit is between `min` and `max`."""
    value = given.spec.value if isinstance(given.spec.value, Mapping) else {}
    messages = [SeenStep("message", "message")] * given.answer.turns
    count = sum(_fits(step, value) for step in (*_tools(given), *messages))
    least, most = _number(value.get("min"), 0.0), _number(value.get("max"), float("inf"))
    return decided(given.spec, least <= count <= most, f"{count} steps")


def matches(name: str, pattern: str) -> bool:
    """Return whether the name is like the pattern, in which `*` stands for any letters and `?` for one.

    Upper and lower case are the same. It takes no more than the product of both lengths.
    """
    name, pattern = name.lower(), pattern.lower()
    at, here, star, behind_star = 0, 0, -1, 0
    while at < len(name):
        if here < len(pattern) and pattern[here] == "*":
            star, behind_star, here = here, at, here + 1
        elif here < len(pattern) and pattern[here] in ("?", name[at]):
            at, here = at + 1, here + 1
        elif star >= 0:
            behind_star, here = behind_star + 1, star + 1
            at = behind_star
        else:
            return False
    return not pattern[here:].strip("*")


def _tools(given: Checkable) -> list[SeenStep]:
    return [SeenStep("tool", step.call.name, _arguments(step.call.arguments)) for step in given.answer.steps]


def _arguments(text: str) -> JsonValue:
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except ValueError:
        return text.strip()


def _fits(step: SeenStep, matcher: JsonValue) -> bool:
    """Return whether the step is one that a pattern, or an object of `type` and `pattern` or `name`, asks for."""
    if not isinstance(matcher, Mapping):
        return step.type == "tool" and matches(step.name, text_of(matcher))
    types = matcher.get("type")
    if types and step.type not in (types if isinstance(types, list) else [types]):
        return False
    pattern = matcher.get("pattern") or matcher.get("name")
    return not pattern or matches(step.name, text_of(pattern))


def _has(arguments: JsonValue, expected: JsonValue, value: Mapping[str, Any]) -> bool:
    ignored = value.get("ignore") or []
    patterns = ignored if isinstance(ignored, list) else [ignored]
    kept, wanted = _without(arguments, patterns), _without(expected, patterns)
    defaults = value.get("defaults")
    if isinstance(kept, Mapping) and isinstance(defaults, Mapping):
        kept = {name: one for name, one in kept.items() if name not in defaults or not equal(one, defaults[name])}
    return equal(kept, wanted) if value.get("mode") == "exact" else _includes(kept, wanted)


def _without(value: JsonValue, patterns: Sequence[str]) -> JsonValue:
    if not patterns or not isinstance(value, Mapping):
        return value
    return {
        name: one
        for name, one in value.items()
        if not any(name == pattern or (set("*?") & set(pattern) and matches(name, pattern)) for pattern in patterns)
    }


def _includes(value: JsonValue, expected: JsonValue) -> bool:
    """Return whether the value is the expected one, with maybe more members in its objects."""
    if isinstance(expected, list):
        return isinstance(value, list) and len(value) == len(expected) and all(map(_includes, value, expected))
    if isinstance(expected, Mapping):
        return isinstance(value, Mapping) and all(
            name in value and _includes(value[name], one) for name, one in expected.items()
        )
    return equal(value, expected)


def _label(matcher: JsonValue) -> str:
    if isinstance(matcher, Mapping):
        return text_of(matcher.get("pattern") or matcher.get("name") or "*")
    return text_of(matcher)


def _called(steps: Sequence[SeenStep]) -> str:
    return f"called {', '.join(step.name for step in steps) or 'none'}"


def _number(value: JsonValue, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
