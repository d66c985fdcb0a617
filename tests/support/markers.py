"""Which tests start processes, speak to a Redis, open sockets or watch files: read from code, and watched in the run.

A test is marked by the names that its code refers to, and the code of its fixtures and of every helper in `tests` and
`bench` that they refer to. What that does not show, a test says itself: `pytestmark = pytest.mark.socket`.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import unwrap
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

MARKERS: Mapping[str, str] = {
    "process": "starts a process",
    "redis": "speaks to a Redis server",
    "socket": "opens a socket",
    "files": "waits for changes of files",
}
# Names of the standard library, of other libraries and of the gateway, and what a test that refers to one does.
_SIGNS: Mapping[str, tuple[str, ...]] = {
    "subprocess": ("process",),
    "create_subprocess_exec": ("process",),
    "create_subprocess_shell": ("process",),
    "EmbeddedRedis": ("process", "redis"),
    "open_store": ("process", "redis"),
    "bundled_binary": ("process",),
    "Redis": ("redis", "socket"),
    "RedisStore": ("redis", "socket"),
    "FaultyStore": ("redis", "socket"),
    "getfixturevalue": ("process", "redis"),  # of the store's tests: one server, or a cluster
    "open_connection": ("socket",),
    "open_unix_connection": ("socket",),
    "start_server": ("socket",),
    "start_unix_server": ("socket",),
    "create_server": ("socket",),
    "create_connection": ("socket",),
    "bind": ("socket",),
    "Server": ("socket",),
    "Standin": ("socket",),
    "async_playwright": ("process", "socket"),
    "AsyncClient": ("socket",),
    "AsyncOpenAI": ("socket",),
    "OpenAI": ("socket",),
}
_EVENTS = {"socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn"}


class Unmarked(AssertionError):
    """A test without a marker has opened a socket or started a process."""


class Guard:
    """Watches what the interpreter audits: an unmarked test that does what a marker stands for fails."""

    def __init__(self) -> None:
        self._watching = False
        self._seen: list[str] = []
        sys.addaudithook(self._audit)

    @contextmanager
    def watch(self, item: pytest.Item) -> Iterator[None]:
        """Raise Unmarked where it happens and, as the test may have caught that, in the end."""
        self._watching, self._seen = not any(item.get_closest_marker(marker) for marker in MARKERS), []
        try:
            yield
        finally:
            self._watching = False
        if self._seen:
            raise Unmarked(f"mark this test (tests/support/markers.py): {', '.join(self._seen)}")

    def _audit(self, event: str, _: tuple[Any, ...]) -> None:
        if self._watching and event in _EVENTS:
            self._seen.append(event)
            raise Unmarked(event)


def markers(item: pytest.Item) -> set[str]:
    """What the test reaches from its function, its parameters and its fixtures."""
    if not isinstance(item, pytest.Function):
        return set()
    fixtures = (each for several in item._fixtureinfo.name2fixturedefs.values() for each in several)
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {
        marker
        for each in (item.function, *(fixture.func for fixture in fixtures), *parameters)
        if isinstance(each, FunctionType | type)
        for marker in reached(each)
    }


@cache
def reached(start: FunctionType | type) -> frozenset[str]:
    """The markers of everything that the function or class refers to, directly or through helpers in `tests`."""
    found, seen, left = set[str](), set[int](), [start]
    while left:
        function = left.pop()
        if id(function) in seen or not _is_of_tests(function):
            continue
        seen.add(id(function))
        if isinstance(function, type):
            left += [getattr(each, "fget", each) for each in vars(function).values()]
            left += function.__bases__
            continue
        function = unwrap(getattr(function, "__func__", function))
        if isinstance(function, FunctionType):
            names = set(_names(function.__code__))
            found |= {marker for name in names for marker in _SIGNS.get(name, ())}
            left += _referred(function, names)
    return frozenset(found)


def _is_of_tests(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith(("tests.", "bench."))


def _referred(function: FunctionType, names: set[str]) -> Iterator[Any]:
    known = [function.__globals__[name] for name in names if name in function.__globals__]
    known += [cell.cell_contents for cell in function.__closure__ or ()]
    yield from known
    for module in known:
        if isinstance(module, ModuleType):
            yield from (getattr(module, name) for name in names if hasattr(module, name))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
