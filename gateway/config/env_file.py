"""The file `.env`: environment variables beside the configuration, so that keys stand in one file outside of Git.

A value means the same here as in a shell and in Docker Compose, or it is refused: quotes end where they began, and what
one of them would expand must stand in single quotes. The process's own environment wins over the file; a variable
that is set to nothing counts as not set there, as everywhere.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from gateway import ENV_FILE
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.strict_yaml import UnreadableError, read_text

_LINE: Final = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_COMMENT: Final = r"(?:[ \t]+#.*)?"
_SINGLE: Final = re.compile(rf"'([^']*)'{_COMMENT}")
_DOUBLE: Final = re.compile(rf'"([^"]*)"{_COMMENT}')
_BARE: Final = re.compile(rf"([^\s#'\"][^\s'\"]*)?{_COMMENT}")
_EXPANDED: Final = re.compile(r"[$`\\]")  # what a shell gives a meaning to, in double quotes as well


def add_env_file(environ: MutableMapping[str, str], folder: Path, named: Path | None = None) -> tuple[str, ...]:
    """Add the variables of the file `named`, or else of `.env` in the folder if there is one, that are not set yet.

    Returns warnings. Raises ConfigProblems with everything that is wrong in the file; then nothing was added.
    """
    path = named or folder / ENV_FILE
    mode = _mode(path)
    if named is None and mode is None:
        return ()
    for name, value in read_env_file(path).items():
        environ[name] = environ.get(name) or value
    if mode is not None and mode & (stat.S_IRGRP | stat.S_IROTH):
        return (f"{path} can be read by other users of this machine: chmod 600 {shlex.quote(str(path))}",)
    return ()


def read_env_file(path: Path) -> Mapping[str, str]:
    """Return the variables of the file. Raises ConfigProblems, which show no value."""
    try:
        text = read_text(path)
    except UnreadableError as error:
        raise ConfigProblems([Problem(str(path), error.line, "", str(error))]) from None
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, value = _variable(line.strip())
            if name in values:
                raise ValueError(f"{name} is set a second time")
            values[name] = value
        except ValueError as error:
            problems.append(Problem(str(path), number, "", str(error)))
    if problems:
        raise ConfigProblems(problems)
    return values


def _variable(line: str) -> tuple[str, str]:
    """Return name and value of one line. Raises ValueError with a hint, and without the value."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("write NAME=value, without spaces around the equals sign")
    name, written = match[1], match[2]
    if single := _SINGLE.fullmatch(written):
        return name, single[1]
    found = _DOUBLE.fullmatch(written) or _BARE.fullmatch(written)
    if found is None:
        raise ValueError(f"{name} has quotes or spaces in its value; put the whole value in single quotes")
    value = found[1] or ""
    if _EXPANDED.search(value):
        raise ValueError(f"{name} holds one of $ ` \\, which is not expanded here; put the value in single quotes")
    return name, value


def _mode(path: Path) -> int | None:
    """Return the file's mode; None where there is no such file. Raises ConfigProblems."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_symlink():
            return None
        why = f"is a symbolic link to {os.readlink(path)}, which does not exist"
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    raise ConfigProblems([Problem(str(path), 0, "", why)])
