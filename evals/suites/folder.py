"""The files of a suite: read only beneath its repository, each of bounded size, and all of them in one digest.

A suite may come with a pull request of a stranger, and what it reads goes to a model and into reports. So a path that
leads out of the repository or to a hidden file, also by a symbolic link, is refused, as is whatever is no regular file.
"""

import os
import stat
from hashlib import sha256
from itertools import islice
from pathlib import Path

from evals.cases import SourceLine, SuiteError
from gateway.config.problems import quoted
from gateway.config.suite_files import (
    MAX_ENTRIES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_SUITE_BYTES,
    PatternTooWideError,
    PatternWalk,
)

_MAGIC = frozenset("*?[")


class SuiteFolder:
    """The folder of a suite, and what was read of it. `base` is where relative paths begin.

    A pattern leads through at most so many entries of folders.
    """

    def __init__(self, suite: Path, most_entries: int = MAX_ENTRIES) -> None:
        self._most_entries = most_entries
        self.base = Path(os.path.abspath(suite)).parent
        self.root = _repository(self.base)
        self._bytes = 0
        self._read: dict[Path, bytes] = {}
        self._names: dict[str, Path] = {}
        self._patterns: dict[str, list[str]] = {}

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
        self._names[self._relative(path)] = resolved
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
        try:
            walk = PatternWalk(self._most_entries).files(base, Path(pattern).parts)
            found = list(islice(walk, MAX_FILES + 1))
        except PatternTooWideError as error:
            raise _refusal(place, f"{quoted(pattern)} {error}") from None
        if len(found) > MAX_FILES:
            raise _refusal(place, f"{quoted(pattern)} matches more than {MAX_FILES:,} files")
        if not found:
            raise _refusal(place, f"{quoted(pattern)} matches no file")
        files = sorted(set(found))
        self._patterns[self._relative(base / pattern)] = [self._relative(file) for file in files]
        return files

    def name(self, path: Path) -> str:
        """Return a path as problems show it: as it is reached from the working directory."""
        full = self.base / path
        shown = os.path.relpath(full) if full.is_relative_to(Path.cwd()) else str(full)
        return shown if shown.isprintable() else quoted(shown)  # a terminal would obey what is in a name

    def _written(self, path: Path) -> str:
        """Return a path as a suite writes it."""
        return str(path.relative_to(self.base)) if path.is_relative_to(self.base) else str(path)

    def files(self) -> dict[str, str]:
        """Return the digest of each file that was read, by its name relative to the suite's folder."""
        return {name: sha256(self._read[path]).hexdigest() for name, path in sorted(self._names.items())}

    def patterns(self) -> tuple[str, ...]:
        """Return the patterns all of whose files were read, relative to the suite's folder."""
        return tuple(sorted(name for name, files in self._patterns.items() if self._names.keys() >= {*files}))

    def _relative(self, path: Path) -> str:
        """Return a path as it is reached from the suite's folder, links not followed."""
        return os.path.relpath(self.base / path, self.base)

    def digest(self) -> str:
        """Return a digest of every file that was read, with its name in the repository."""
        total = sha256()
        for path, content in sorted(self._read.items()):
            name = str(path.relative_to(self.root)).encode("utf-8", "surrogateescape")
            total.update(b"%d:%s%d:%s" % (len(name), name, len(content), sha256(content).digest()))
        return total.hexdigest()


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
