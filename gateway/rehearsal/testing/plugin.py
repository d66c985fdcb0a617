"""The plugin of `serinus-demo` for pytest: the fixture `serinus`, and where its configuration is."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway.rehearsal.testing.rehearsal import Rehearsal


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("serinus_config", "the configuration folder of Serinus, from the root of the project", default="")


@pytest.fixture
def serinus_config(request: pytest.FixtureRequest) -> Path | None:
    """The configuration that `serinus` has a copy of: the folder of the setting `serinus_config`, None for a plain
    agent `assistant`. Define a fixture of this name to choose another."""
    folder = str(request.config.getini("serinus_config"))
    return request.config.rootpath / folder if folder else None


@pytest.fixture
def serinus(serinus_config: Path | None) -> "Iterator[Rehearsal]":
    """A gateway for one test, with a stand-in as every provider."""
    from gateway.rehearsal.testing.rehearsal import rehearsing  # whoever asks for no gateway waits for no import

    with rehearsing(serinus_config) as rehearsal:
        yield rehearsal
