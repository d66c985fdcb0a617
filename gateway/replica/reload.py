"""Watches the configuration folder and swaps in what is well: an edit, a replaced file, a swapped link.

Loading happens in a thread, so that the event loop never waits for a disk. What to do with a new deployment, and with
a broken one, is the caller's business.

A file may be written in several parts, each of which can be read: half a prompt, a routing without its last agents. So
a change is read once sizes and times have rested, and what would end a trial is read twice.
"""

import asyncio
import contextlib
import os
import stat
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from watchfiles import Change, watch

from gateway.config import ConfigProblems, Deployment, load
from gateway.config.kept_keys import kept_keys
from routing.agents import Agent

_DEBOUNCE_MS: Final = 100  # an editor's save is several events; they are taken as one
_STEP_MS: Final = 100  # the watching thread wakes as often, idle or not
_LOOK_MS: Final = 2_000  # how often to look where no event comes from: links from outside, network file systems
_REST_SECONDS: Final = 0.3  # without another change; `scp` and `kubectl cp` leave gaps of a tenth of a second
_MOST_RESTS: Final = 10  # a file that grows all the time, such as a log, must not keep edits away
_SURE_SECONDS: Final = 1.0  # before what would end a trial is read a second time
_MOST_READINGS: Final = 5  # of files that are others each time
_CALM_SECONDS: Final = 1.0  # after a reload in vain: a log or a database that lies in the folder must not cost a core
_DEEPEST: Final = 8  # levels of folders; links may lead round in a circle

Fingerprint = frozenset[tuple[str, int, int, int]]


class FileWatch(Protocol):
    """Used part of `watchfiles.watch`: sets of changes, an empty one after `rust_timeout` milliseconds."""

    def __call__(
        self,
        path: Path,
        /,
        *,
        watch_filter: Callable[[Change, str], bool],
        debounce: int,
        step: int,
        rust_timeout: int,
        yield_on_timeout: bool,
        force_polling: bool,
        ignore_permission_denied: bool,
    ) -> AsyncGenerator[set[tuple[Change, str]], None]: ...


async def watch_in_thread(path: Path, /, **options: Any) -> AsyncGenerator[set[tuple[Change, str]], None]:
    """`watchfiles.watch` without a wait on the loop. watchfiles' own `awatch` loads 1.7 MB of anyio for it."""
    stop = threading.Event()
    changes = watch(path, stop_event=stop, raise_interrupt=False, **options)
    try:
        while (found := await asyncio.to_thread(next, changes, None)) is not None:
            yield found
    finally:
        stop.set()  # its thread ends at its next step


class Reloader:
    """Keep a deployment up to date with its folder.

    `apply` is called with each new deployment, once `prepare` has been through with it, and `refuse` with each broken
    one and with each that `prepare` raises ConfigProblems for; all on the event loop and never at the same time. After
    a refusal the old deployment goes on, and the next change is tried again. But a key that is no longer in
    `gateway.yaml` is revoked though another file is broken: `revoke` is told the digests that stay, and returns whether
    it took any away.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        apply: Callable[[Deployment], None],
        refuse: Callable[[ConfigProblems], None],
        current: Deployment | None = None,
        prepare: Callable[[Deployment], Awaitable[None]] | None = None,
        revoke: Callable[[frozenset[bytes]], bool] = lambda _kept: False,
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._apply = apply
        self._refuse = refuse
        self._prepare = prepare
        self._revoke = revoke
        self._has_revoked = False
        self._current = current
        self._error: ConfigProblems | None = None
        self._one_at_a_time = asyncio.Lock()
        self._seen: Fingerprint | None = None

    @property
    def current(self) -> Deployment | None:
        """The deployment that was applied last."""
        return self._current

    @property
    def error(self) -> ConfigProblems | None:
        """The problems of the present files; None when they are valid."""
        return self._error

    async def reload_now(self, *, is_sure: bool = True) -> bool:
        """Load the folder and apply or refuse it. What is the same as before is not applied again.

        `is_sure` says that the files are whole, because a person says so; otherwise what would end a trial is read
        twice. Return whether anything is other than before: the deployment, or what is wrong.
        """
        async with self._one_at_a_time:
            try:
                deployment = await self._load(is_sure)
                is_new = self._has_revoked or self._current is None or deployment.digest != self._current.digest
                if is_new and self._prepare is not None:
                    await self._prepare(deployment)
            except ConfigProblems as problems:
                self._error = problems
                self._refuse(problems)
                await self._revoke_keys()
                return True
            is_other, self._error = self._error is not None or is_new, None
            if is_new:
                self._current, self._has_revoked = deployment, False
                self._apply(deployment)
            return is_other

    async def _load(self, is_sure: bool) -> Deployment:
        """Read the folder. Raises ConfigProblems."""
        self._seen = await self._look()
        deployment = await asyncio.to_thread(load, self._folder, self._environ)
        for _ in range(0 if is_sure else _MOST_READINGS):
            if self._current is None or not ends_trial(self._current, deployment):
                break
            await asyncio.sleep(_SURE_SECONDS)
            self._seen = await self._look()
            before, deployment = deployment, await asyncio.to_thread(load, self._folder, self._environ)
            if before.digest == deployment.digest:
                break
        return deployment

    async def _revoke_keys(self) -> None:
        """Revoke the keys that `gateway.yaml` does not have any more, whatever is wrong elsewhere. It is read twice."""
        first = await asyncio.to_thread(kept_keys, self._folder)
        if first is None or not self._has_others(first):
            return
        await asyncio.sleep(_SURE_SECONDS)
        again = await asyncio.to_thread(kept_keys, self._folder)
        if again is not None and self._revoke(first | again):
            self._has_revoked = True

    def _has_others(self, kept: frozenset[bytes]) -> bool:
        """Return whether the present deployment has a key that is not among these."""
        keys = self._current.settings.keys.values() if self._current else ()
        return any(bytes.fromhex(digest) not in kept for key in keys for digest in key.digests)

    async def _rest(self) -> None:
        """Wait until nothing in the folder has changed for a moment."""
        seen = await self._look()
        for _ in range(_MOST_RESTS):
            await asyncio.sleep(_REST_SECONDS)
            before, seen = seen, await self._look()
            if seen == before:
                return

    async def run(self, watch: FileWatch = watch_in_thread) -> None:
        """Reload on every change until cancelled. The folder may vanish and come back meanwhile."""
        if self._seen is None:
            self._seen = await self._look()
        async with contextlib.aclosing(self._changes(watch)) as changes:
            async for is_event in changes:
                if not is_event and await self._look() == self._seen:
                    continue
                await self._rest()
                if not await self.reload_now(is_sure=False):
                    await asyncio.sleep(_CALM_SECONDS)

    async def _look(self) -> Fingerprint:
        return await asyncio.to_thread(fingerprint, self._folder, self._store_folder())

    def _store_folder(self) -> Path | None:
        """Return the folder that the embedded store writes to, whose changes are no edits."""
        return self._current.settings.embedded_folder.resolve() if self._current else None

    async def _changes(self, watch: FileWatch) -> AsyncGenerator[bool, None]:
        """Yield True for each event, False for each look; without notifications (inotify's limits) by polling."""
        polling = False
        while True:
            try:
                async with contextlib.aclosing(self._watch(watch, polling=polling)) as changes:
                    async for is_event in changes:
                        yield is_event
            except (OSError, RuntimeError):  # watchfiles has both for a watch that cannot be set up
                polling = await asyncio.to_thread(self._folder.is_dir)
                await asyncio.sleep(_LOOK_MS / 1000)
            yield False

    async def _watch(self, watch: FileWatch, *, polling: bool) -> AsyncGenerator[bool, None]:
        """Ends when the folder is another one than at the beginning, because then events come from the old one."""
        target, store = await asyncio.to_thread(self._folder.resolve), await asyncio.to_thread(self._store_folder)
        changes = watch(
            target,
            watch_filter=lambda _, path: _is_relevant(target, store, Path(path)),
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            force_polling=polling,
            ignore_permission_denied=True,
        )
        async with contextlib.aclosing(changes):
            async for paths in changes:
                yield bool(paths)
                if await asyncio.to_thread(_is_elsewhere, self._folder, target):
                    return


def ends_trial(old: Deployment, new: Deployment) -> bool:
    """Return whether a trial under the old configuration cannot go on under the new one."""
    return any(
        agent.canary is not None and _contents(agent) != _contents(new.agents.get(agent.name))
        for agent in old.agents.values()
    )


def _contents(agent: Agent | None) -> tuple[str, ...]:
    """The digests of both arms; none without a trial."""
    if agent is None or agent.canary is None:
        return ()
    return (agent.versions[agent.stable].digest, agent.versions[agent.canary].digest)


def fingerprint(folder: Path, store: Path | None = None) -> Fingerprint:
    """Path, inode, size and time of change of every file that is not hidden; through links, so that a swap shows.

    What lies in the `store` folder is left out.
    """
    return frozenset(_stamps(folder, _DEEPEST, _identity(store)))


def _identity(folder: Path | None) -> tuple[int, int] | None:
    """Return the identity of a folder, whatever links lead to it."""
    try:
        status = folder.stat() if folder else None
    except OSError:  # there is none, as where the store is somebody else's
        return None
    return (status.st_dev, status.st_ino) if status else None


def _stamps(folder: str | Path, levels: int, without: tuple[int, int] | None) -> Iterator[tuple[str, int, int, int]]:
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError:  # it is being replaced right now
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            status = entry.stat()
            if (status.st_dev, status.st_ino) == without:
                continue
            yield entry.path, status.st_ino, status.st_size, status.st_mtime_ns
            if levels and stat.S_ISDIR(status.st_mode):
                yield from _stamps(entry.path, levels - 1, without)


def _is_relevant(folder: Path, store: Path | None, path: Path) -> bool:
    """Hidden files are nobody's business (editors, Git), nor is our own store, but Kubernetes swaps `..data`."""
    if store and path.is_relative_to(store):
        return False
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
    return not any(part.startswith(".") and not part.startswith("..") for part in parts)


def _is_elsewhere(folder: Path, target: Path) -> bool:
    return folder.resolve() != target or not target.is_dir()
