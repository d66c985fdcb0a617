"""The shape of a wire format's folder: the same public modules in each, whatever the format is."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gateway import formats
from gateway.formats.registry import CLIENTS, PROVIDERS
from tests import architecture

ROOM = Path(formats.__file__).parent
FOLDERS = sorted(path.parent.name for path in ROOM.glob("*/provider.py"))
PROVIDER = {"provider", "provider_request", "provider_answer", "provider_stream", "errors"}
CLIENT = {"client", "client_request", "client_answer", "client_stream", "amend"}
NAMES = {import_module(f"gateway.formats.{folder}").NAME: folder for folder in FOLDERS}
# Words that only look like a format's name, each with what it is.
OTHER_WORDS = {
    ("gateway.formats.openai_responses.provider", "openai"): "the price list's name for OpenAI",
    ("gateway.api.near_misses", "openai"): "a segment that strangers put into a path",
    ("gateway.api.near_misses", "anthropic"): "a segment that strangers put into a path",
    ("evals.adapters.ragas_adapter", "openai"): "RAGAS's name of the client that it is given",
    **{
        ("gateway.config.presets", name): "the name of a preset"
        for name in ("openai", "anthropic", "gemini", "bedrock")
    },
}


def _modules(folder: str) -> set[str]:
    return {path.stem for path in (ROOM / folder).glob("*.py")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_format_has_one_public_module_for_each_role(folder: str) -> None:
    """A format that no client speaks has the roles that face providers, and no others."""
    public = {name for name in _modules(folder) if not name.startswith("_")}
    assert public == (PROVIDER | CLIENT if "client" in public else PROVIDER)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_format_is_registered_under_its_own_name(folder: str) -> None:
    """The registry holds the very sides that a folder's `client` and `provider` make."""
    name = import_module(f"gateway.formats.{folder}").NAME
    assert PROVIDERS[name] is import_module(f"gateway.formats.{folder}.provider").PROVIDER
    if "client" in _modules(folder):
        assert CLIENTS[name] is import_module(f"gateway.formats.{folder}.client").CLIENT
    assert PROVIDERS[name].name == name and len(PROVIDERS) == len(FOLDERS)


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


def test_a_formats_name_is_written_in_its_own_folder_alone() -> None:
    """Nothing else decides by a name: it asks the format's `facts`, or imports the `NAME` of the one that it means."""
    found = {
        (module.name, word)
        for module in architecture.of_the_project().values()
        if not architecture.within(module.name, [architecture.STANDIN])
        for word in _words(module.tree)
        if word in NAMES and not architecture.within(module.name, [f"gateway.formats.{NAMES[word]}"])
    }
    assert found == OTHER_WORDS.keys()


def _words(tree: ast.Module) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
