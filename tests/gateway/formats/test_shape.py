"""The shape of a wire format's folder: the same public modules in each, whatever the format is."""

from importlib import import_module
from pathlib import Path

import pytest

from gateway.formats.registry import CLIENTS, PROVIDERS
from tests import architecture

FOLDERS = sorted({type(side).__module__.split(".")[2] for side in (*CLIENTS.values(), *PROVIDERS.values())})
PROVIDER = {"provider", "provider_request", "provider_answer", "provider_stream", "errors"}
CLIENT = {"client", "client_request", "client_answer", "client_stream", "amend"}


def _modules(folder: str) -> set[str]:
    found = import_module(f"gateway.formats.{folder}").__file__ or ""
    return {path.stem for path in Path(found).parent.glob("*.py")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_format_has_one_public_module_for_each_role(folder: str) -> None:
    """A format that no client speaks has the roles that face providers, and no others."""
    public = {name for name in _modules(folder) if not name.startswith("_")}
    assert public == (PROVIDER | CLIENT if "client" in public else PROVIDER)


def test_every_client_format_has_a_client_module() -> None:
    """A format of the registry of clients is spoken by the `client` of its folder."""
    assert {type(side).__module__.rpartition(".")[2] for side in CLIENTS.values()} == {"client"}
    assert {type(side).__module__.rpartition(".")[2] for side in PROVIDERS.values()} == {"provider"}


def test_only_a_format_itself_uses_its_private_modules() -> None:
    """What two formats need stands in the room, not in a helper of either."""
    modules = architecture.of_the_project()
    foreign = [
        f"{name} imports {imported}"
        for name, module in modules.items()
        for imported in architecture.imports(module, modules)
        if imported.startswith("gateway.formats.") and "._" in imported
        if not name.startswith(f"{imported.rpartition('.')[0]}.")
    ]
    assert foreign == []
