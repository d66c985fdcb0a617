"""Regular expressions of suites: written for JavaScript, and bounded in time.

Suites of promptfoo hold JavaScript's. They differ in what `$`, `.`, `\\d` and `\\s` match, in how groups are named, and
in what a brace means. Each is translated, part by part, for the `regex` library, whose search takes a deadline:
Python's own `re` may take for ever. Source: ECMA-262, 22.2 and annex B.1.2.
"""

from functools import lru_cache
from string import hexdigits

import regex

from evals.checks.javascript import SPACES, code_units

SECONDS = 2.0  # of CPU time for one search; what takes longer would take for ever
MAX_CHARACTERS = 10_000  # of an expression
_LONGEST_NUMBER = 9  # digits that are looked at
_LARGEST = 100_000  # characters that must match, with all counts: the library writes them out, in memory
_ANY = "(?s:.)"
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": SPACES}
_CONTROLS = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
_GROUPS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?-i:")


class BadExpression(ValueError):
    """No regular expression of JavaScript. The message says why."""


class SearchTooLong(Exception):
    """A search that did not end in time."""


def is_found(pattern: str, text: str, *, unicode: bool = False, seconds: float = SECONDS) -> bool:
    """Return whether the expression matches anywhere in the text.

    `unicode` is JavaScript's flag `u`, which JSON schemas have: a character may then be more than one code unit, and
    `\\p{…}` is a class. Raises BadExpression and SearchTooLong.
    """
    compiled = compile_expression(pattern, unicode=unicode)
    try:
        return compiled.search(text if unicode else code_units(text), timeout=seconds) is not None
    except TimeoutError as error:
        raise SearchTooLong(f"the expression took more than {seconds:g} s") from error


@lru_cache(maxsize=256)
def compile_expression(pattern: str, *, unicode: bool = False) -> "regex.Pattern[str]":
    """Return the expression, ready for a search. Raises BadExpression."""
    if len(pattern) > MAX_CHARACTERS:
        raise BadExpression(f"longer than {MAX_CHARACTERS:,} characters")
    translated = _Translation(pattern if unicode else code_units(pattern), unicode).whole()
    flags = regex.VERSION0 | (0 if unicode else regex.ASCII)
    try:
        return regex.compile(translated, flags)
    except (regex.error, RecursionError, OverflowError) as error:
        raise BadExpression(getattr(error, "msg", "") or "nested too deep") from error


class _Translation:
    """A single pass over an expression. `_position` is where the next part begins."""

    def __init__(self, pattern: str, unicode: bool) -> None:
        self._pattern, self._unicode = pattern, unicode
        self._position = 0
        self._sizes, self._last = [0], 0  # of the groups that are open, and of the part that a quantifier would repeat
        self._groups, self._has_names = _count_groups(pattern)

    def whole(self) -> str:
        parts: list[str] = []
        may_repeat = False
        while self._position < len(self._pattern):
            part, may_repeat = self._part(may_repeat)
            parts.append(part)
            if self._sizes[-1] > _LARGEST:
                raise BadExpression(f"counts of more than {_LARGEST:,} characters")
        if len(self._sizes) > 1:
            raise BadExpression("a group is not closed")
        return "".join(parts)

    def _part(self, may_repeat: bool) -> tuple[str, bool]:
        """Return the next part, and whether a quantifier may follow it."""
        character = self._pattern[self._position]
        if quantifier := self._quantifier():
            if not may_repeat:
                raise BadExpression("nothing to repeat")
            return quantifier, False
        if character != ")":
            self._last = 1
            self._sizes[-1] += 1
        if character == "(":
            return self._open_group(), False
        self._position += 1
        if character == ")":
            return self._close_group(), True
        if character == "[":
            return self._set(), True
        if character == "\\":
            return self._escape()
        fixed = {"|": ("|", False), "^": (r"\A", False), "$": (r"\Z", False), ".": (r"[^\n\r\u2028\u2029]", True)}
        return fixed.get(character, (_literal(character), True))

    def _quantifier(self) -> str:
        rest = self._pattern[self._position :]
        found = regex.match(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??", rest)
        if not found:
            return ""
        counts = [int(digits[:_LONGEST_NUMBER]) for digits in regex.findall(r"\d+", found[0])]
        if len(counts) == 2 and counts[0] > counts[1]:
            raise BadExpression("a quantifier from more to fewer")
        self._sizes[-1] += self._last * max(counts[0] - 1 if counts else 0, 0)
        self._position += found.end()
        return found[0]

    def _open_group(self) -> str:
        rest = self._pattern[self._position :]
        self._sizes.append(0)
        named = regex.match(r"\(\?<([A-Za-z_$][\w$]*)>", rest)
        if named:
            self._position += named.end()
            return f"(?P<{_group_name(named[1])}>"
        for opening in _GROUPS if rest.startswith("(?") else ("(",):
            if rest.startswith(opening):
                self._position += len(opening)
                return opening
        hint = "; write (?i:…)" if rest.startswith("(?i)") else ""
        raise BadExpression(f"JavaScript has no group {rest[:4]!r}{hint}")

    def _close_group(self) -> str:
        if len(self._sizes) == 1:
            raise BadExpression("a parenthesis too many")
        self._last = self._sizes.pop()
        self._sizes[-1] += self._last
        return ")"

    def _escape(self) -> tuple[str, bool]:
        """Return what stands behind a backslash, outside of a set."""
        character = self._next()
        if character in "bB":
            return rf"\{character}", False
        if character.lower() in _CLASSES:
            return f"[{'^' if character.isupper() else ''}{_CLASSES[character.lower()]}]", True
        if character == "k" and self._has_names:
            return self._named_reference(), True
        if character in "123456789":
            digits = character + self._digits()
            if int(digits[:_LONGEST_NUMBER]) <= self._groups:
                return f"(?({digits})\\{digits}|)", True
            self._position -= len(digits) - 1
        if self._unicode and character in "pP" and (found := regex.match(r"\{[\w=]+\}", self._rest())):
            self._position += found.end()
            return f"\\{character}{found[0]}", True
        return _literal(self._character(character)), True

    def _named_reference(self) -> str:
        found = regex.match(r"<([A-Za-z_$][\w$]*)>", self._rest())
        if not found:
            raise BadExpression("\\k without a name")
        self._position += found.end()
        return f"(?({_group_name(found[1])})(?P={_group_name(found[1])})|)"

    def _set(self) -> str:
        """Return a set `[…]`. Complements in it, such as `\\S`, become alternatives beside it."""
        is_negated = self._pattern.startswith("^", self._position)
        self._position += is_negated
        items, complements = self._members()
        alternatives = ([f"[{''.join(items)}]"] if items else []) + complements
        if not alternatives:
            return _ANY if is_negated else "(?!)"
        inside = "|".join(alternatives)
        return f"(?:(?!{inside}){_ANY})" if is_negated else f"(?:{inside})"

    def _members(self) -> tuple[list[str], list[str]]:
        items: list[str] = []
        complements: list[str] = []
        while (character := self._next("a set is not closed")) != "]":
            first = self._member(character, items, complements)
            is_range = self._pattern.startswith("-", self._position) and self._pattern[
                self._position + 1 : self._position + 2
            ] not in ("]", "")
            if first is None or not is_range:
                items += [_literal(first)] if first is not None else []
                continue
            self._position += 1
            last = self._member(self._next(), items, complements)
            if last is not None and last < first:
                raise BadExpression("a range out of order")
            items += [f"{_literal(first)}-{_literal(last)}"] if last is not None else [_literal(first), _literal("-")]
        return items, complements

    def _member(self, character: str, items: list[str], complements: list[str]) -> str | None:
        """Return the next character of a set; None for a class, which is added."""
        if character != "\\":
            return character
        escaped = self._next()
        if escaped in "dws":
            items.append(_CLASSES[escaped])
            return None
        if escaped in "DWS":
            complements.append(f"[^{_CLASSES[escaped.lower()]}]")
            return None
        if self._unicode and escaped in "pP" and (found := regex.match(r"\{[\w=]+\}", self._rest())):
            self._position += found.end()
            items.append(f"\\{escaped}{found[0]}")
            return None
        return "\b" if escaped == "b" else self._character(escaped)

    def _character(self, escaped: str) -> str:
        """Return the one character that an escape means."""
        rest = self._rest()
        if escaped in _CONTROLS:
            return _CONTROLS[escaped]
        if escaped == "c" and rest[:1].isalpha() and rest[:1].isascii():
            self._position += 1
            return chr(ord(rest[0]) % 32)
        digits = {"x": 2, "u": 4}.get(escaped, 0)
        if digits and len(rest) >= digits and all(digit in hexdigits for digit in rest[:digits]):
            self._position += digits
            return chr(int(rest[:digits], 16))
        if self._unicode and escaped == "u" and (braced := regex.match(r"\{([0-9A-Fa-f]{1,6})\}", rest)):
            self._position += braced.end()
            return chr(int(braced[1], 16))
        if escaped in "01234567" and (octal := regex.match(r"[0-3]?[0-7]{1,2}", escaped + rest)):
            self._position += octal.end() - 1
            return chr(int(octal[0], 8))
        return escaped

    def _next(self, missing: str = "a backslash at the end") -> str:
        if self._position >= len(self._pattern):
            raise BadExpression(missing)
        self._position += 1
        return self._pattern[self._position - 1]

    def _digits(self) -> str:
        found = regex.match(r"[0-9]*", self._rest())
        digits = found[0] if found else ""
        self._position += len(digits)
        return digits

    def _rest(self) -> str:
        return self._pattern[self._position :]


def _literal(character: str) -> str:
    if character.isascii() and not character.isalnum():
        return f"\\x{ord(character):02x}"
    return character


def _group_name(name: str) -> str:
    return name.replace("$", "_dollar_")


def _count_groups(pattern: str) -> tuple[int, bool]:
    """Return how many groups capture, and whether any has a name."""
    without_sets = regex.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern, flags=regex.DOTALL)
    names = len(regex.findall(r"\(\?<[A-Za-z_$]", without_sets))
    return len(regex.findall(r"\((?!\?)", without_sets)) + names, bool(names)
