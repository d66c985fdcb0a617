from pathlib import Path

import jsonschema
import pytest

from gateway.config import schemas
from gateway.config.gateway_file import Provider
from gateway.config.presets import PRESETS
from gateway.formats.openai_chat._quirks import HOSTS
from gateway.formats.registry import PROVIDERS
from tests.gateway.config.folders import ROUTING, V1, loaded, problems

ENVIRON = {
    **{preset.key: f"key-of-{name}" for name, preset in PRESETS.items() if preset.key is not None},
    "AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com/",
}
MANUAL = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
NEEDS = {"bedrock": "{region: eu-central-1, api_key: '${AZURE_OPENAI_API_KEY}'}"}


def provider(folder: Path, text: str, environ: dict[str, str] = ENVIRON) -> Provider:
    """The one provider of a configuration that is well."""
    name = text.partition(":")[0]
    files = {"gateway.yaml": f"providers:\n  {text}\n", "agents/support/v1.yaml": V1.replace("openai/", f"{name}/")}
    return loaded(folder, files, environ).settings.providers[name]


def complaints(folder: Path, text: str, environ: dict[str, str] = ENVIRON) -> list[str]:
    """What is wrong with a provider that no version uses."""
    lines = problems(folder, {"gateway.yaml": f"providers:\n  openai: {{}}\n  {text}\n"}, environ)
    return [line.removeprefix("gateway.yaml:3: providers.") for line in lines]


@pytest.mark.parametrize("name", PRESETS)
def test_a_providers_name_is_enough(tmp_path: Path, name: str) -> None:
    """`groq: {}` is an account: its format, address and key come with the name."""
    preset = PRESETS[name]
    found = provider(tmp_path, f"{name}: {NEEDS.get(name, '{}')}")
    key = found.api_key and found.api_key.get_secret_value()
    assert (found.preset, found.api, found.key_header) == (name, preset.api, preset.key_header)
    assert name == "bedrock" or key == (None if preset.key is None else f"key-of-{name}")
    assert found.base_url.startswith(("https://", "http://127.0.0.1:"))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_in_the_manual(name: str) -> None:
    """With its variable, address and format, as the data has them."""
    preset = PRESETS[name]
    row = next(line for line in MANUAL.splitlines() if line.startswith(f"| `{name}` | `{preset.api}` |"))
    assert preset.base_url is None or f"`{preset.base_url}`" in row
    assert (f"`{preset.key}`" in row) == (preset.key is not None)


def test_a_preset_under_another_name(tmp_path: Path) -> None:
    """Two accounts at one API, or a server elsewhere: what is written replaces what the preset brings."""
    found = provider(tmp_path, 'house: {preset: vllm, base_url: "http://gpu-box:8000/v1", api_key: "${XAI_API_KEY}"}')
    assert (found.preset, found.api, found.base_url) == ("vllm", "openai", "http://gpu-box:8000/v1")
    assert found.api_key is not None


def test_an_address_of_the_environment_may_end_with_a_slash(tmp_path: Path) -> None:
    """Azure's portal shows its endpoints with one."""
    assert provider(tmp_path, "azure: {}").base_url == "https://acme.openai.azure.com/openai/v1"


def test_a_provider_that_says_its_api_has_no_preset(tmp_path: Path) -> None:
    """An account called `openai` without a key stays what it was: a stand-in, or a proxy that adds the key."""
    found = provider(tmp_path, 'openai: {api: openai, base_url: "http://127.0.0.1:9/v1"}', {})
    assert (found.preset, found.api_key) == (None, None)


def test_what_a_preset_brings_can_be_taken_away(tmp_path: Path) -> None:
    """`api_key: null` needs no variable."""
    assert provider(tmp_path, "openai: {api_key: null}", {}).api_key is None


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """The variable that the preset means stands in the problem."""
    environ = {key: value for key, value in ENVIRON.items() if key != "GROQ_API_KEY"}
    complaint = "groq.api_key: the environment variable GROQ_API_KEY is not set"
    assert [line.partition(";")[0] for line in complaints(tmp_path, "groq: {}", environ)] == [complaint]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "house: {api: ollama}",
            "house.api: 'ollama' is a preset, not a wire format: write `preset: ollama`, or `api: ",
        ),
        (
            "house: {}",
            "house.api: is missing: write one of openai, openai-responses, anthropic, gemini, gemini-interactions, ",
        ),
        ("house: {preset: azur}", "house.preset: unknown preset 'azur'; did you mean 'azure'? known: anthropic, azure"),
        ("house: {api: opnai}", "house.api: unknown value 'opnai'; did you mean 'openai'? known: "),
        ("groq:", "groq: has no value; write {} to take everything from its preset"),
        ("bedrock: {}", "bedrock: `api: bedrock` needs a `region`, such as eu-central-1"),
    ],
)
def test_each_mistake_is_one_problem(tmp_path: Path, text: str, complaint: str) -> None:
    """It says what to write instead, and nothing that only follows from it."""
    found = complaints(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(complaint)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.base_url])
def test_an_editor_takes_a_preset(name: str) -> None:
    """The schema asks for no `api`."""
    jsonschema.Draft202012Validator(schemas()["gateway"]).validate({"providers": {name: {}}})


def test_the_hosts_of_presets_have_their_dialect() -> None:
    """The hosts that a preset names and whose dialect differs are those that the format knows."""
    hosts = {name: preset.address.partition("://")[2].partition("/")[0] for name, preset in PRESETS.items()}
    known = {name for name, host in hosts.items() if PRESETS[name].api == "openai" and host in HOSTS}
    assert known == {"openai", "openrouter", "mistral", "deepseek", "groq"}
    assert all(preset.api in PROVIDERS for preset in PRESETS.values())


def test_the_routing_of_a_preset_needs_no_more(tmp_path: Path) -> None:
    """A deployment on a server of one's own is two words: no key, no address."""
    files = {"gateway.yaml": "providers: {ollama: {}}\n", "agents/support/v1.yaml": "model: ollama/llama3.2\n"}
    found = loaded(tmp_path, {**files, "routing.yaml": ROUTING}, {})
    assert found.agents["support"].versions["v1"].target.name == "ollama/llama3.2"
