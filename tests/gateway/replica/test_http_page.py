"""The page of the HTTP endpoints has every path that the gateway serves, every error code, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from starlette.routing import Route

from gateway.errors import FailureKind
from gateway.formats.registry import CLIENTS
from gateway.replica.routes import routes
from tests.architecture import ROOT
from tests.support.crowd import ask
from tests.support.running import provider, running, trial, write

PAGE = (ROOT / "docs" / "http.md").read_text("utf-8")
ERRORS = PAGE.partition("## Errors")[2]
NEVER_RAISED = {
    "upstream_overtaken",
    "upstream_untranslatable",
    "upstream_exhausted",
}  # the second has a code of its own


def first_columns(text: str) -> list[str]:
    return [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]


def plain(path: str) -> str:
    """The path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


async def test_every_path_is_on_the_page(tmp_path: Path, redis_url: str, agent: str) -> None:
    """As the routes have it, those of the client formats too; and nothing on the page is without a route."""
    doors = [(path, side.door.verbs) for side in CLIENTS.values() for path in side.door.paths]
    there = {path for path, verbs in doors if not verbs}
    async with provider() as standin, running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        there |= {route.path for route in routes(served.gateway.services) if isinstance(route, Route)}
        for path, verbs in doors:
            there |= {f"{path}:{verb}" for verb in verbs}
            if verbs and (await ask(served.url, "GET", path.replace("{model:path}", agent), b"", ())).status == 405:
                there.remove(path)  # it names a model, and is nothing without a verb
    said = {path for column in first_columns(PAGE) for path in re.findall(r"`(?:[A-Z]+ )?(/[^`]+)`", column)}
    assert {plain(path) for path in said} == {plain(path) for path in there}


def codes() -> Iterator[str]:
    """Every code that the source gives to an error: a class, an argument, a constant, or a kind of failure."""
    for path in (ROOT / "gateway").rglob("*.py"):
        if "rehearsal" not in path.parts:
            text = path.read_text("utf-8")
            yield from re.findall(r'\bcode="([a-z_]+)"', text)
            yield from re.findall(r'(?m)\bcode = (?:.*, )?"([a-z_]+)"$', text)
            for name in re.findall(r"\bcode=(_[A-Z_]+)", text):
                yield from re.findall(rf'(?m)^{name}(?:: Final)? = "([a-z_]+)"', text)
    yield from (f"upstream_{kind}" for kind in get_args(FailureKind))


def test_every_code_is_on_the_page() -> None:
    """A client that meets one can read what it says; the page has none that no answer has."""
    said = re.findall(
        r"`([a-z_]+)`", "".join(line.split("|")[2] for line in ERRORS.splitlines() if re.match(r"\| [0-9t]", line))
    )
    assert set(said) == set(codes()) - NEVER_RAISED
    assert len(said) == len(set(said)) > 40
