"""An account that keys share though they are for some agents each is warned of."""

from pathlib import Path

import pytest

from gateway.config import AnyEnvironment, load
from tests.gateway.config.folders import ENVIRON, GATEWAY, loaded

ROUTING = "agents:\n  support: {stable: v1}\n  sales: {stable: v1}\n"
OTHER = '  other: {api: %s, base_url: "https://api.example/v1", api_key: "${OTHER}"}\n'


def warnings(
    folder: Path, keys: dict[str, str], sales: str = "openai/gpt-4o", api: str = "openai", gateway: str = ""
) -> tuple[str, ...]:
    """What a folder of two agents is warned of, `support` at the provider `openai`."""
    written = [f"  {name}: {{sha256: '{n:064d}'{agents}}}\n" for n, (name, agents) in enumerate(keys.items())]
    text = (gateway or GATEWAY + OTHER % api) + "keys:\n" + "".join(written)
    files = {"gateway.yaml": text, "routing.yaml": ROUTING, "agents/sales/v1.yaml": f"model: {sales}\nmax_tokens: 9\n"}
    return loaded(folder, files, ENVIRON).warnings


@pytest.mark.parametrize("second", [", agents: [sales]", ", agents: [support]", ""])
def test_keys_that_share_an_account(tmp_path: Path, second: str) -> None:
    """Who may call an agent there may read and delete what the others store."""
    (found,) = warnings(tmp_path, {"a": ", agents: [support]", "b": second})
    assert "provider openai is one account for the keys a, b" in found and "accounts of their own" in found


@pytest.mark.parametrize(
    ("api", "stored"),
    [
        ("openai-responses", "files, batches, responses"),
        ("anthropic", "files, batches, skills"),
        ("gemini", "files, cachedContents, batches, fileSearchStores, operations, interactions"),
        ("gemini-interactions", "interactions"),
    ],
)
def test_every_account_that_stores_is_warned_of(tmp_path: Path, api: str, stored: str) -> None:
    """By the words of its own API."""
    keys = {"a": ", agents: [sales]", "b": ", agents: [sales]"}
    (found,) = warnings(tmp_path, keys, "other/m", api)
    assert "provider other is one account for the keys a, b" in found and f"({stored})" in found


def test_two_formats_of_one_account_are_one(tmp_path: Path) -> None:
    """Each key has a provider of its own, and both have the same address and key; `--no-env` finds the same."""
    keys = {"a": ", agents: [support]", "b": ", agents: [sales]"}
    same = GATEWAY + '  other: {api: openai-responses, api_key: "${OPENAI_API_KEY}"}\n'
    (found,) = warnings(tmp_path, keys, "other/m", gateway=same)
    assert "providers openai, other are one account for the keys a, b" in found
    assert load(tmp_path, AnyEnvironment()).warnings == (found,)
    assert warnings(tmp_path, keys, "other/m", "openai-responses") == ()
    assert load(tmp_path, AnyEnvironment()).warnings == ()


def test_keys_that_share_none(tmp_path: Path) -> None:
    """Keys for all agents are not meant to be apart; nor is an account shared that each has for itself, or that stores
    nothing."""
    assert warnings(tmp_path, {"a": "", "b": ""}) == ()
    apart = {"a": ", agents: [support]", "b": ", agents: [sales]"}
    assert warnings(tmp_path, apart, "other/gpt-4o") == ()
    assert (
        warnings(
            tmp_path, {"a": ", agents: [sales]", "b": ", agents: [sales]"}, "other/m", "bedrock, region: eu-central-1"
        )
        == ()
    )
