"""Files of a suite, as the record of an evaluation names them: what has changed since has been passed by nobody.

A suite is known by its file and by all that it names, also by patterns. Links are followed: one that leads elsewhere
now has another content.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 32 * 2**20  # a golden set of 10,000 long cases has about 20 MiB
MAX_SUITE_BYTES: Final = 64 * 2**20
MAX_FILES: Final = 2_000
MAX_ENTRIES: Final = 100_000  # of folders that one pattern leads through
_MOST_LEVELS: Final = 100


class PatternTooWideError(ValueError):
    """A pattern leads through more than it may; the message goes on after the pattern's name."""


class PatternWalk:
    """A walk that finds the files of a pattern: it follows no links to folders, and ends after so many entries.

    Links that lead to their own folder would else multiply with every step.
    """

    def __init__(self, most_entries: int = MAX_ENTRIES) -> None:
        self._most_entries = most_entries
        self._seen = 0

    def files(self, folder: Path, parts: tuple[str, ...], level: int = 0) -> Iterator[Path]:
        """Yield the files below a folder that the parts of a path match; with several `**` one may come again.

        Raises PatternTooWideError.
        """
        first, rest = parts[0], parts[1:]
        if level > _MOST_LEVELS:
            raise PatternTooWideError(f"leads through more than {_MOST_LEVELS} folders")
        if first == "**":
            yield from self.files(folder, rest or ("*",), level + 1)
        for entry in self._entries(folder):
            is_folder = entry.is_dir(follow_symlinks=False)
            if first == "**":
                if is_folder and not entry.name.startswith("."):
                    yield from self.files(Path(entry), parts, level + 1)
            elif _is_named(entry.name, first):
                if rest and is_folder:
                    yield from self.files(Path(entry), rest, level + 1)
                elif not rest and entry.is_file():
                    yield Path(entry)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                found = list(islice(entries, self._most_entries))
        except OSError:
            return []
        self._seen += len(found)
        if self._seen >= self._most_entries:
            raise PatternTooWideError(f"leads through more than {self._most_entries:,} entries of folders")
        return sorted(found, key=lambda entry: entry.name)


def suite_file(folder: Path, name: str) -> Path:
    """Return the file of a suite that the configuration names: from its folder, or from the one above."""
    return next((path for path in (folder / name, folder.absolute().parent / name) if path.exists()), folder / name)


def changed_file(
    suite: Path, files: Mapping[str, str], patterns: Sequence[str], most_bytes: int = MAX_SUITE_BYTES
) -> str:
    """Return a file of the suite that is not as recorded, '' where there is none, or where the suite is not here.

    `files` are digests by names relative to the suite's folder; `patterns` are relative to it as well.
    """
    if not suite.exists():
        return ""
    if suite.name not in files:
        return suite.name
    left = most_bytes
    for name, recorded in files.items():
        content = _content(suite.parent / name, left)
        if content is None or sha256(content).hexdigest() != recorded:
            return name
        left -= len(content)
    return next((name for pattern in patterns for name in _matching(suite.parent, pattern) if name not in files), "")


def _matching(base: Path, pattern: str) -> Iterator[str]:
    """Yield the names of the files that match, relative to the base; the pattern itself where it leads too far."""
    try:
        for path in islice(PatternWalk().files(base, Path(pattern).parts or ("*",)), MAX_FILES + 1):
            yield os.path.relpath(path, base)
    except PatternTooWideError:
        yield pattern


def _content(path: Path, most: int) -> bytes | None:
    """Return a file's content, None for what is no regular file, cannot be read, or is too large."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            content = file.read(most + 1)
    except (OSError, ValueError):  # a folder; a NUL in the name
        return None
    return content if len(content) <= most else None


def _is_named(name: str, part: str) -> bool:
    """Return whether a part of a pattern matches a name; a hidden one only where it begins with a dot itself."""
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
