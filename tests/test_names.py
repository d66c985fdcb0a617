"""One word for one thing: the glossary's words are in the code, and words that were given up are not."""

import ast
import re
from collections.abc import Iterator, Mapping

import pytest

from bench.structure import modules_of
from tests.architecture import ROOT

PROJECT = modules_of(ROOT)
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
TERMS = re.findall(r"\*\*(.+?)\*\*", "\n".join(line.split("|")[1] for line in GLOSSARY.splitlines() if "**" in line))
# Words that no name of ours holds any more, and those in their place.
RETIRED = {
    "ladder": "steps",
    "link": "target",
    "links": "targets",
    "passage": "forwarder",
    "tariff": "price schedule",
    "told": "error body, client message",
    "untold": "unsent, undelivered, unreported",
    "yardstick": "thresholds",
    "yardsticks": "thresholds",
}
# Names that other words may hold.
RETIRED_NAMES = {
    "about": "response_headers",
    "_about": "response_headers",
    "board": "counts",
    "Board": "ConnectionCounts",
    "Hints": "ResponseOwners",
    "Mark": "SlowThreshold",
    "Order": "Command",
    "Verb": "Command",
    "turned": "applied",
}
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def parsed(source: str) -> Mapping[str, ast.Module]:
    """A project of one module."""
    return {"gateway.sample": ast.parse(source)}


def names_in(tree: ast.Module) -> Iterator[str]:
    """Every name that a module defines or uses."""
    for node in ast.walk(tree):
        for attribute in ("id", "attr", "name", "arg", "asname"):
            if isinstance(name := getattr(node, attribute, None), str):
                yield from name.split(".")


def words_of(name: str) -> set[str]:
    """The words of a name, in lower case."""
    return {word.lower() for word in _WORD.findall(name)}


def retired_in(modules: Mapping[str, ast.Module]) -> list[str]:
    """One line for each retired word in a name."""
    found = {
        f"{module}: {name}: {RETIRED_NAMES.get(name) or RETIRED[min(words_of(name) & RETIRED.keys())]}"
        for module, tree in modules.items()
        for name in {*names_in(tree), module.rpartition(".")[2]}
        if name in RETIRED_NAMES or words_of(name) & RETIRED.keys()
    }
    return sorted(found)


def vocabulary(modules: Mapping[str, ast.Module]) -> set[str]:
    """The words of all names, and of all short strings: configuration keys, states, kinds."""
    words: set[str] = set()
    for module, tree in modules.items():
        words |= words_of(module)
        for name in names_in(tree):
            words |= words_of(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                words |= words_of(node.value)
    return words


VOCABULARY = vocabulary(PROJECT)


@pytest.mark.parametrize("term", TERMS)
def test_the_glossary_speaks_of_the_code(term: str) -> None:
    """Every word of a term is in the code, singular or plural: as part of a name, a state or a configuration key."""
    words = re.findall(r"[a-z]+", term.lower())
    missing = [word for word in words if not {word, f"{word}s"} & VOCABULARY]
    assert not missing or "".join(words) in VOCABULARY


def test_the_glossary_is_read() -> None:
    """The terms are found, so that the test above tests something."""
    assert {"canary", "fallback chain", "price schedule", "stand-in"} <= set(TERMS)


def test_no_retired_word_is_in_a_name() -> None:
    """What has another name now keeps it; strings may say the old word, where the store or a client knows it."""
    assert retired_in(PROJECT) == []


@pytest.mark.parametrize(
    "source", ["links = 1", "class Tariff: ...", "def f(about): ...", "x.told", "from a import Mark"]
)
def test_a_retired_word_is_caught(source: str) -> None:
    """As a name, an argument, an attribute or an import."""
    assert len(retired_in(parsed(source))) == 1
