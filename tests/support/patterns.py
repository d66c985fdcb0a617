"""Every regular expression of the project, found in its source, and texts that make a careless one slow.

A pattern is slow where a repeat can be cut in several ways, or begun at many places, and what follows it is missing.
So each repeat of a pattern is fed: a shortest text that leads to it, the repeated part many times, and an odd end.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from re import _constants, _parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

from tests import architecture

_FUNCTIONS = frozenset({"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"})
_ENDS = ("", "\n!", "\x00")
_PLAIN = "aA0_-.:;,/= \t\n\r\"'\\{[(<é"
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_MADE_AT_RUN_TIME = frozenset({"gateway.redaction"})  # of configured secrets, and tested there
_MOST_REPEATED = 64  # a repeat that is bounded by this costs a constant factor, and no more


@dataclass(frozen=True)
class Pattern:
    """One expression: the module, the line where it is used, and how."""

    module: str
    line: int
    function: str
    compiled: re.Pattern[Any]

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.compiled.pattern!r}"

    def subject(self, text: str) -> Any:
        """The text as the pattern takes it."""
        return text.encode() if isinstance(self.compiled.pattern, bytes) else text

    def try_on(self, text: str) -> None:
        """Use the pattern as the project may."""
        subject = self.subject(text)
        self.compiled.fullmatch(subject)
        if self.function not in ("fullmatch", "match"):
            self.compiled.sub(subject[:0], subject)


def of_the_project() -> Iterator[Pattern]:
    """All patterns of all modules; also those behind names and inside of functions."""
    for name, module in architecture.of_the_project().items():
        if name.endswith("__main__"):
            continue
        tree = module.tree
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_of_re(node)]
        loaded = importlib.import_module(name) if calls else None
        for call in calls:
            if name in _MADE_AT_RUN_TIME and not isinstance(call.args[0], ast.Constant):
                continue
            assert loaded is not None and isinstance(call.func, ast.Attribute)
            yield Pattern(name, call.lineno, _use(call, tree), _compiled(call, loaded))


def attacks(pattern: Pattern, length: int) -> Iterator[str]:
    """Texts of about that length that make backtracking costly."""
    text = pattern.compiled.pattern
    tree = _parser.parse(text.decode("latin-1") if isinstance(text, bytes) else text, pattern.compiled.flags)
    pumps = {(prefix, pump) for prefix, body in _repeats(tree, "") for pump in body}
    heads = {prefix for prefix, _ in pumps} | {"", "a"}
    pumps |= {("", sign) for sign in _PLAIN} | {("", head) for head in heads if head}
    for prefix, pump in sorted(pumps):
        body = prefix + pump * (length // len(pump))
        yield from (body + end for end in _ENDS)


def _is_of_re(node: ast.Call) -> bool:
    if not (isinstance(node.func, ast.Attribute) and node.args):
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in _FUNCTIONS


def _compiled(call: ast.Call, module: ModuleType) -> re.Pattern[Any]:
    """The call's own pattern, with its flags."""
    taken = [
        call.args[0],
        *(call.args[1:2] if isinstance(call.func, ast.Attribute) and call.func.attr == "compile" else ()),
    ]
    given = {each.arg: each.value for each in call.keywords if each.arg == "flags"}
    values = [_value(each, module) for each in taken]
    found: re.Pattern[Any] = re.compile(*values, **{name: _value(each, module) for name, each in given.items() if name})
    return found


def _value(expression: ast.expr, module: ModuleType) -> Any:
    return eval(compile(ast.Expression(expression), module.__name__, "eval"), vars(module))  # noqa: S307


def _use(call: ast.Call, tree: ast.Module) -> str:
    """By which function the pattern is applied; 'search', the dearest, where that is not plain to see."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "compile":
        return call.func.attr
    names: set[str] = set()
    uses: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.value is call:
            uses.add(node.attr)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is call:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            uses.add(node.attr)
    return next(iter(uses)) if len(uses) == 1 else "search"


def _repeats(tree: Sequence[Any], prefix: str) -> Iterator[tuple[str, list[str]]]:
    """What leads to each repeat without a small bound, and texts that it may repeat."""
    for code, argument in tree:
        inner = _inner(code, argument)
        if code in _REPEATS and argument[1] > _MOST_REPEATED:
            yield prefix, _samples(inner[0])
        for each in inner:
            yield from _repeats(each, prefix)
        prefix += _shortest([(code, argument)])


def _inner(code: Any, argument: Any) -> list[Sequence[Any]]:
    """The expressions inside of one node."""
    if code in _REPEATS:
        return [argument[2]]
    if code is _constants.BRANCH:
        return list(argument[1])
    if code is _constants.SUBPATTERN:
        return [argument[3]]
    if code is _constants.ATOMIC_GROUP:
        return [argument]
    return []


def _samples(tree: Sequence[Any]) -> list[str]:
    """Some texts that match: the shortest, and, of a single character, each that hostile text is made of."""
    single = re.compile(r"(?s:.)")
    if len(tree) == 1 and tree[0][0] in (_constants.IN, _constants.NOT_LITERAL, _constants.ANY):
        return [sign for sign in single.findall(_PLAIN) if _is_in(tree[0], sign)] or [_shortest(tree) or "a"]
    return [_shortest(tree) or "a"]


def _shortest(tree: Sequence[Any]) -> str:
    """A short text that the expression matches, or nearly."""
    found = ""
    for code, argument in tree:
        if code is _constants.LITERAL:
            found += chr(argument)
        elif code in _REPEATS:
            found += _shortest(argument[2]) * argument[0]
        elif inner := _inner(code, argument):
            found += _shortest(inner[0])
        elif code in (_constants.IN, _constants.NOT_LITERAL, _constants.ANY):
            found += next((sign for sign in _PLAIN if _is_in((code, argument), sign)), "a")
    return found


def _is_in(node: tuple[Any, Any], sign: str) -> bool:
    """Whether the one-character node matches that character."""
    code, argument = node
    if code is _constants.ANY:
        return sign != "\n"
    if code is _constants.NOT_LITERAL:
        return chr(argument) != sign
    negated = found = False
    for kind, value in argument:
        if kind is _constants.NEGATE:
            negated = True
        elif kind is _constants.LITERAL:
            found = found or ord(sign) == value
        elif kind is _constants.RANGE:
            found = found or value[0] <= ord(sign) <= value[1]
        elif kind is _constants.CATEGORY:
            found = found or _is_of(value, sign)
    return found != negated


def _is_of(category: Any, sign: str) -> bool:
    kinds = {
        _constants.CATEGORY_SPACE: r"\s", _constants.CATEGORY_NOT_SPACE: r"\S", _constants.CATEGORY_DIGIT: r"\d",
        _constants.CATEGORY_NOT_DIGIT: r"\D", _constants.CATEGORY_WORD: r"\w", _constants.CATEGORY_NOT_WORD: r"\W",
    }  # fmt: skip
    return re.fullmatch(kinds[category], sign) is not None
