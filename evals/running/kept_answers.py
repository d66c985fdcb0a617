"""Answers that were paid for, kept between runs: an unchanged version is not asked the same twice."""

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_SECONDS_KEPT: Final = 90 * 86_400.0
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, at REAL NOT NULL, answer BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at)",
)
_FORGET: Final = "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY at LIMIT ?)"
_BUSY_SECONDS: Final = 30.0
_LONGEST_KEPT: Final = 1 << 20  # bytes; what is longer is asked anew
MOST_KEPT: Final = 1 << 30  # bytes of all answers together
_FORGOTTEN_SHARE: Final = 10  # of what is kept, a tenth is forgotten at a time


def usual_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where answers are kept if nothing else is said: in the user's folder for caches."""
    caches = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".cache")
    return Path(caches) / "serinus" / "answers.sqlite"


def key_of(*parts: str) -> str:
    """Return the key of an answer: a digest of all that decides it."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8) + encoded)
    return digest.hexdigest()


class AnswerCache:
    """Answers by their keys, in one file that several runs may share. Without a file it keeps nothing.

    Beyond `most_bytes` the oldest are forgotten, whichever run has kept them.
    """

    def __init__(self, connection: sqlite3.Connection | None = None, most_bytes: int = MOST_KEPT) -> None:
        self._connection = connection
        self._most_bytes = most_bytes

    def find(self, key: str) -> bytes | None:
        """Return the answer, None where there is none."""
        if self._connection is None:
            return None
        row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, key: str, answer: bytes) -> None:
        """Keep an answer, unless it is too long."""
        if self._connection is not None and len(answer) <= _LONGEST_KEPT:
            with self._connection as connection:
                connection.execute("REPLACE INTO answers VALUES (?, ?, ?)", (key, time.time(), answer))
                _forget_oldest(connection, self._most_bytes)


@contextlib.contextmanager
def kept_answers(file: Path | None, most_bytes: int = MOST_KEPT) -> Iterator[AnswerCache]:
    """Open the file, and forget what is old. Raises OSError for a file that cannot be used."""
    if file is None:
        yield AnswerCache()
        return
    with contextlib.closing(_opened(file)) as connection:
        yield AnswerCache(connection, most_bytes)


def _opened(file: Path) -> sqlite3.Connection:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=_BUSY_SECONDS)
        file.chmod(0o600)  # answers may hold what customers have written
        with connection:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("DELETE FROM answers WHERE at < ?", (time.time() - _SECONDS_KEPT,))
    except (OSError, sqlite3.Error) as error:
        raise OSError(f"the file of kept answers {file}: {error}; say --cache FILE, or --no-cache") from None
    return connection


def _forget_oldest(connection: sqlite3.Connection, most_bytes: int) -> None:
    """Forget old answers until the pages in use are few enough. The file keeps its size and fills it anew."""
    while _used_bytes(connection) > most_bytes:
        (count,) = connection.execute("SELECT COUNT(*) FROM answers").fetchone()
        if not count:
            return
        connection.execute(_FORGET, (-(-count // _FORGOTTEN_SHARE),))


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages in use, by the file's own count: of all runs that share it."""
    count, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)
