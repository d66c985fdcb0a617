"""The files of a suite: read only beneath its repository, each of bounded size, and all of them in one digest.

A suite may come with a pull request of a stranger, and what it reads goes to a model and into reports. So a path that
leads out of the repository or to a hidden file, also by a symbolic link, is refused, as is whatever is no regular file.
"""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from hashlib import sha256
from itertools import islice
from pathlib import Path

from evals.cases import SourceLine, SuiteError
from gateway.config.problems import quoted

MAX_FILE_BYTES = 32 * 2**20  # a golden set of 10,000 long cases has about 20 MiB
MAX_SUITE_BYTES = 64 * 2**20
MAX_FILES = 2_000
_MOST_ENTRIES = 100_000  # of folders that one pattern leads through
_MOST_LEVELS = 100
_MAGIC = frozenset("*?[")


class SuiteFolder:
    """The folder of a suite, and what was read of it. `base` is where relative paths begin.

    A pattern leads through at most so many entries of folders.
    """

    def __init__(self, suite: Path, most_entries: int = _MOST_ENTRIES) -> None:
        self._most_entries = most_entries
        self.base = Path(os.path.abspath(suite)).parent
        self.root = _repository(self.base)
        self._bytes = 0
        self._read: dict[Path, bytes] = {}

    def read(self, path: Path, place: SourceLine) -> bytes:
        """Return a file's content. Raises SuiteError where it may not or cannot be read."""
        resolved = self.locate(path, place)
        if resolved not in self._read:
            if len(self._read) >= MAX_FILES:
                raise _refusal(place, f"the suite has more than {MAX_FILES:,} files")
            content = _content(resolved, self.name(path), place)
            self._bytes += len(content)
            if self._bytes > MAX_SUITE_BYTES:
                raise _refusal(place, f"the files of the suite are larger than {MAX_SUITE_BYTES // 2**20} MiB together")
            self._read[resolved] = content
        return self._read[resolved]

    def locate(self, path: Path, place: SourceLine) -> Path:
        """Return where a path leads, links followed. Raises SuiteError for a path out of the repository."""
        try:
            resolved = (self.base / path).resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links; a NUL in the name
            raise _refusal(place, f"{quoted(self._written(path))} is no path") from None
        if not resolved.is_relative_to(self.root):
            outside = f"{quoted(self._written(path))} is outside of {self.root}; a suite reads nothing beyond it"
            raise _refusal(place, outside)
        if _is_hidden(resolved, self.base.resolve()):
            hidden = "hidden files hold keys and tokens (.env, .git/config), and are not read"
            raise _refusal(place, f"{quoted(self._written(path))}: {hidden}")
        return resolved

    def matching(self, pattern: str, base: Path, place: SourceLine) -> list[Path]:
        """Return the files that a path or glob names, sorted. Raises SuiteError where there are none or too many."""
        if not _MAGIC & set(pattern):
            return [base / pattern]
        if ".." in Path(pattern).parts or os.path.isabs(pattern):
            raise _refusal(place, f"the pattern {quoted(pattern)} must lie beneath {self.base}; write it without '..'")
        found = list(islice(_Walk(pattern, place, self._most_entries).files(base, Path(pattern).parts), MAX_FILES + 1))
        if len(found) > MAX_FILES:
            raise _refusal(place, f"{quoted(pattern)} matches more than {MAX_FILES:,} files")
        if not found:
            raise _refusal(place, f"{quoted(pattern)} matches no file")
        return sorted(set(found))

    def name(self, path: Path) -> str:
        """Return a path as problems show it: as it is reached from the working directory."""
        full = self.base / path
        shown = os.path.relpath(full) if full.is_relative_to(Path.cwd()) else str(full)
        return shown if shown.isprintable() else quoted(shown)  # a terminal would obey what is in a name

    def _written(self, path: Path) -> str:
        """Return a path as a suite writes it."""
        return str(path.relative_to(self.base)) if path.is_relative_to(self.base) else str(path)

    def digest(self) -> str:
        """Return a digest of every file that was read, with its name in the repository."""
        total = sha256()
        for path, content in sorted(self._read.items()):
            name = str(path.relative_to(self.root)).encode("utf-8", "surrogateescape")
            total.update(b"%d:%s%d:%s" % (len(name), name, len(content), sha256(content).digest()))
        return total.hexdigest()


class _Walk:
    """A walk that finds the files of a pattern: it follows no links to folders, and ends after so many entries.

    Links that lead to their own folder would else multiply with every step.
    """

    def __init__(self, pattern: str, place: SourceLine, most_entries: int) -> None:
        self._most_entries = most_entries
        self._pattern = pattern
        self._place = place
        self._seen = 0

    def files(self, folder: Path, parts: tuple[str, ...], level: int = 0) -> Iterator[Path]:
        """Yield the files below a folder that the parts of a path match; with several `**` one may come again."""
        first, rest = parts[0], parts[1:]
        if level > _MOST_LEVELS:
            raise _refusal(self._place, f"{quoted(self._pattern)} leads through more than {_MOST_LEVELS} folders")
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
            most = f"{self._most_entries:,} entries of folders"
            raise _refusal(self._place, f"{quoted(self._pattern)} leads through more than {most}")
        return sorted(found, key=lambda entry: entry.name)


def _is_named(name: str, part: str) -> bool:
    """Return whether a part of a pattern matches a name; a hidden one only where it begins with a dot itself."""
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _is_hidden(path: Path, base: Path) -> bool:
    """Return whether a path has a hidden part that the suite's own folder does not lie in."""
    common = Path(os.path.commonpath((path, base)))
    return any(part.startswith(".") for part in path.relative_to(common).parts)


def _repository(folder: Path) -> Path:
    """Return the nearest folder above that has a `.git`, or else the folder itself; links followed."""
    resolved = folder.resolve()
    return next((each for each in (resolved, *resolved.parents) if (each / ".git").exists()), resolved)


def _content(path: Path, name: str, place: SourceLine) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would block for ever
    except FileNotFoundError:
        raise _refusal(place, f"{quoted(name)} does not exist") from None
    except OSError as error:
        raise _refusal(place, f"{quoted(name)} cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _refusal(place, f"{quoted(name)} is no regular file")
    with open(descriptor, "rb") as file:
        content = file.read(MAX_FILE_BYTES + 1) if status.st_size <= MAX_FILE_BYTES else b""
    if status.st_size > MAX_FILE_BYTES or len(content) > MAX_FILE_BYTES:
        raise _refusal(place, f"{quoted(name)} is larger than {MAX_FILE_BYTES // 2**20} MiB; split it")
    return content


def _refusal(place: SourceLine, message: str) -> SuiteError:
    return SuiteError([place.problem(message)])
