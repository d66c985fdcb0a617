"""Each test says what it opens, so that the others can run by themselves within a minute."""

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest

from tests import architecture
from tests.support import crowd
from tests.support.listening import listening
from tests.support.markers import MARKERS, Guard, Unmarked, reached
from tests.support.processes import Served, serving


class _Asking:
    async def ask(self) -> None:
        await crowd.ask("http://127.0.0.1", "GET", "/")


async def _within_another() -> None:
    async def start() -> None:
        await asyncio.create_subprocess_exec("true")

    await start()


async def _of_a_type(served: Served) -> Served:
    return served


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (listening, {"socket"}),
        (serving, {"process", "socket"}),
        (_Asking, {"socket"}),
        (_within_another, {"process"}),
        (_of_a_type, set()),
        (architecture.of_the_project, set()),
    ],
)
def test_a_test_is_marked_by_what_its_code_reaches(code: type, found: set[str]) -> None:
    """Through helpers, modules, methods and inner functions; an annotation opens nothing."""
    assert reached(code) == found


def test_a_fixture_marks_the_tests_that_ask_for_it(redis_url: str, request: pytest.FixtureRequest) -> None:
    """The shared Redis is a process and a server."""
    assert redis_url and {mark.name for mark in request.node.iter_markers()} >= {"process", "redis"}


@pytest.fixture
def unmarked(request: pytest.FixtureRequest) -> pytest.Item:
    """A test that says of itself that it opens nothing."""
    item = request.node
    assert isinstance(item, pytest.Function)
    return pytest.Function.from_parent(item.parent, name="unmarked", callobj=lambda: None)


@pytest.mark.process
@pytest.mark.socket
def test_an_unmarked_test_that_opens_something_fails(unmarked: pytest.Item) -> None:
    """Where it happens, and again at its end where the test has caught that."""
    guard = Guard()
    with pytest.raises(Unmarked, match=r"socket\.bind"), guard.watch(unmarked), socket.socket() as each:
        each.bind(("127.0.0.1", 0))
    with pytest.raises(Unmarked, match=r"mark this test .*: subprocess\.Popen"), guard.watch(unmarked):  # noqa: SIM117
        with pytest.raises(Unmarked):
            subprocess.run(["true"], check=True)


def test_make_test_fast_leaves_out_all_of_them() -> None:
    """Every marker stands in the expression of the target, which `make help` lists."""
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    target = makefile.partition("\ntest-fast:")[2].partition("\n\n")[0]
    assert "## " in target and f"-m '{' and '.join(f'not {marker}' for marker in MARKERS)}'" in target
