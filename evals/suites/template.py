"""The plain part of nunjucks that suites write their prompts in: `{{name}}`, `{{name.field[0]}}`, `{{name | dump}}`.

Everything that is more than a look-up (other filters, blocks, calls, `env`) is refused by name. A value that is put in
is never read as a template again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from evals.cases import Problem, SourceLine, SuiteError
from gateway.config.problems import quoted

MAX_TEXT = 8_000_000  # characters of a filled text: more than any model reads, with a picture or two
Variables = Mapping[str, JsonValue]

_OPENING = re.compile(r"\{[{%#]")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_RAW = re.compile(r"\s*raw\s*")
_END_OF_RAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_STEP = re.compile(r"\.([A-Za-z_$][\w$]*)|\[([0-9]{1,6})\]|\['([^'\\]*)'\]|\[\"([^\"\\]*)\"\]")
_FILTER = re.compile(r"\|\s*(\w+)")
_END = re.compile(r"[\s-]*end\w")
_SPACE = re.compile(r"\s*")
_BLOCK = re.compile(r"[\s-]*(\w*)")
# Names that promptfoo fills itself: the environment, and what was answered before.
_OWN_NAMES = {
    "env": "a suite does not see the environment; write the value",
    "_conversation": "earlier answers are not put into later prompts; write the conversation as messages",
}


@dataclass(frozen=True, slots=True)
class _LookUp:
    """A place in a text that is filled: with a variable, or with a part of one; as JSON where it is dumped."""

    name: str
    steps: tuple[str | int, ...]
    is_dumped: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places to fill."""

    parts: tuple[str | _LookUp, ...]
    place: SourceLine

    @property
    def names(self) -> frozenset[str]:
        """The variables that it needs."""
        return frozenset(part.name for part in self.parts if isinstance(part, _LookUp))

    def fill(self, variables: Variables) -> str:
        """Return the text with every place filled; with nothing where there is no such value. Raises SuiteError."""
        filled, length = list[str](), 0
        for part in self.parts:
            filled.append(part if isinstance(part, str) else _shown(part, variables))
            length += len(filled[-1])
            if length > MAX_TEXT:
                raise SuiteError([self.place.problem(f"is longer than {MAX_TEXT:,} characters when filled")])
        return "".join(filled)


def parse_template(text: str, place: SourceLine, *, counts_lines: bool = False) -> Template:
    """Return the text as a template. Raises SuiteError for everything in it that is not supported.

    With `counts_lines` each line of the text is one of the file's, and problems name it.
    """
    parts, problems = list[str | _LookUp](), list[Problem]()
    at, line, counted = 0, place.line, 0
    while opening := _OPENING.search(text, at):
        parts.append(text[at : opening.start()])
        if counts_lines:
            line += text.count("\n", counted, opening.start())
            counted = opening.start()
        here = SourceLine(place.file, line)
        mark = opening[0]
        end = text.find(_CLOSING[mark], opening.end())
        if end < 0:
            reason = f"{mark!r} is not closed; literal text stands between {{% raw %}} and {{% endraw %}}"
            problems.append(here.problem(reason))
            break
        inside, at = text[opening.end() : end], end + 2
        if mark == "{%" and _RAW.fullmatch(inside.strip("-")):
            last = _END_OF_RAW.search(text, at)
            parts.append(text[at : last.start() if last else len(text)])
            at = last.end() if last else len(text)
        elif mark == "{%" and not _END.match(inside):  # a block is named once
            problems.append(here.problem(_block_problem(inside)))
        elif mark == "{{":
            found = _look_up(inside.strip("-").strip())
            if isinstance(found, str):
                problems.append(here.problem(found))
            else:
                at = _take_look_up(found, inside, text, at, parts)
    if problems:
        raise SuiteError(problems)
    return Template((*parts, text[at:]), place)


def fill(text: str, variables: Variables, place: SourceLine) -> str:
    """Return the text with its places filled. Raises SuiteError."""
    return parse_template(text, place).fill(variables) if "{" in text else text


def as_text(value: JsonValue) -> str:
    """Return a value as nunjucks writes it into a text, but a mapping as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number_text(value)
    if isinstance(value, list) and not _holds_mapping(value):
        return ",".join(map(as_text, value))
    return value if isinstance(value, str) else as_json(value)


def _number_text(value: float) -> str:
    """Return a number as JavaScript writes it: with an exponent only where it is very large or very small."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f")
    return re.sub(r"e([+-])0+", r"e\1", repr(value))


def _holds_mapping(value: JsonValue) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_mapping, value)))


def as_json(value: JsonValue) -> str:
    """Return a value as JavaScript's `JSON.stringify` writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _take_look_up(found: _LookUp, inside: str, text: str, at: int, parts: list[str | _LookUp]) -> int:
    """Add the look-up to the parts, and return where the text goes on; `-` takes away the white space beside it."""
    if inside.startswith("-"):
        parts.append(str(parts.pop()).rstrip())
    parts.append(found)
    space = _SPACE.match(text, at) if inside.endswith("-") else None
    return space.end() if space else at


def _look_up(expression: str) -> _LookUp | str:
    """Return what the expression looks up, or a sentence that says why it is not supported."""
    name = _NAME.match(expression)
    if name is None:
        return _expression_problem(expression)
    if name[0] in _OWN_NAMES:
        return f"{{{{{name[0]}}}}} is not supported: {_OWN_NAMES[name[0]]}"
    steps, at = list[str | int](), name.end()
    while step := _STEP.match(expression, at):
        steps.append(int(step[2]) if step[2] else step[1] or step[3] or step[4] or "")
        at = step.end()
    rest = expression[at:].strip()
    used = _FILTER.fullmatch(rest)
    if "length" in steps or (rest and (used is None or used[1] != "dump")):
        return _expression_problem(expression)
    return _LookUp(name[0], tuple(steps), bool(rest))


def _expression_problem(expression: str) -> str:
    used = next((each for each in _FILTER.findall(expression) if each != "dump"), None)
    if used is not None:
        return f"the filter {used!r} is not supported; write the finished value into the variable"
    return f"{{{{{_short(expression)}}}}} is more than the name of a variable, which is all that is filled in"


def _block_problem(inside: str) -> str:
    block = _BLOCK.match(inside)
    word = block[1] if block else ""
    return f"the block {{% {word} %}} is not supported; write out what it makes"


def _short(expression: str) -> str:
    return quoted(expression)[1:-1]


def _shown(part: _LookUp, variables: Variables) -> str:
    value: JsonValue = variables.get(part.name)
    is_there = part.name in variables
    for step in part.steps:
        value, is_there = _below(value, step)
    if part.is_dumped:
        return as_json(value) if is_there else ""
    return as_text(value)


def _below(value: JsonValue, step: str | int) -> tuple[JsonValue, bool]:
    """Return what lies one step below, and whether there is anything."""
    if isinstance(value, dict) and step in value:
        return value[str(step)], True
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step], True
    return None, False
