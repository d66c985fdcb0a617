"""The recipes of the manual: the files of each, as an operator would copy them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text("utf-8")
Files = tuple[str, str]


def blocks(section: str) -> list[Files]:
    """The YAML blocks of a section, each with the file that its first line names."""
    return re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", section, re.DOTALL)


SECTIONS = {part.partition("\n")[0]: blocks(part) for part in PAGE.split("\n## ")[1:]}
BASE = dict(SECTIONS.pop("The folder that the recipes start from"))


def states(parts: list[Files]) -> Iterator[Mapping[str, str]]:
    """Yield the folder after each block of a recipe that completes it: a file that comes again is a next state."""
    files: dict[str, str] = {}
    for name, text in parts:
        if name in files:
            yield files
        files = {**files, name: text}
    yield files


def folder_of(title: str) -> Mapping[str, str]:
    """The files of the folder as a recipe leaves it."""
    return {**BASE, **list(states(SECTIONS[title]))[-1]}
