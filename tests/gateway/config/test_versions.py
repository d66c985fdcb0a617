import json
from pathlib import Path

import pytest

from routing.agents import AgentVersion, Target
from tests.gateway.config.folders import GATEWAY, V1, loaded, problems

CLASSIC = """\
name: customer-support-agent
model: {model}
temperature: 0.3
max_tokens: 2048
system_prompt: |
  You are a customer support agent for Acme Corp.
tools:
  - name: lookup_order
    description: Retrieve order status by order ID
"""


def version(folder: Path, text: str, name: str = "v1") -> AgentVersion:
    return loaded(folder, {f"agents/support/{name}.yaml": text}).agents["support"].versions[name]


def complaints(folder: Path, text: str) -> list[str]:
    return problems(folder, {"agents/support/v1.yaml": text})


@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-4o"])
def test_the_classic_file_pastes_in_as_it_is(tmp_path: Path, model: str) -> None:
    """With one provider the model alone will do; a tool in short becomes OpenAI's form."""
    found = version(tmp_path, CLASSIC.format(model=model))
    assert found.target == Target("openai", "gpt-4o")
    assert found.system_prompt == "You are a customer support agent for Acme Corp.\n"
    assert found.parameters == {"temperature": "0.3", "max_tokens": "2048"}
    (tool,) = found.tools
    assert tool.name == "lookup_order"
    assert json.loads(tool.definition) == {
        "type": "function",
        "function": {
            "name": "lookup_order",
            "description": "Retrieve order status by order ID",
            "parameters": {"type": "object", "properties": {}},
        },
    }


def test_parameters_keep_their_spelling(tmp_path: Path) -> None:
    """1 is not 1.0; `extra` stands beside the known parameters."""
    found = version(
        tmp_path, V1 + "top_p: 1\nseed: 9007199254740993\nstop: [a, b]\nn: 1\nextra: {top_k: 40, x: {y: [1.0]}}\n"
    )
    assert found.parameters == {
        "temperature": "0.3", "top_p": "1", "seed": "9007199254740993", "stop": '["a","b"]', "n": "1",
        "top_k": "40", "x": '{"y":[1.0]}',
    }  # fmt: skip


def test_the_long_form_of_a_tool_is_sent_as_it_is(tmp_path: Path) -> None:
    """Nothing is added to what is written in OpenAI's own form."""
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}
    assert json.loads(version(tmp_path, V1 + f"tools: [{json.dumps(tool)}]").tools[0].definition) == tool


def test_client_may_set(tmp_path: Path) -> None:
    """Known parameters and those of `extra` may be left to the client."""
    found = version(tmp_path, V1 + "extra: {top_k: 1}\nclient_may_set: [temperature, top_k]\n")
    assert found.client_may_set == {"temperature", "top_k"}


def test_extends_inherits_replaces_and_removes(tmp_path: Path) -> None:
    """A null takes a key away; tools merge by name and keep their place; `extra` merges key by key."""
    base = V1 + "top_p: 0.5\nextra: {a: 1, b: 2, c: 3}\ntools: [{name: one}, {name: two}]\n"
    text = (
        "extends: v1\ntop_p: ~\nextra: {b: 5, c: ~}\nresponse_format: {type: text}\n"
        "tools: [{name: three}, {name: one, description: new}]\n"
    )
    files = {"agents/support/v1.yaml": base, "agents/support/v2.yaml": text}
    found = loaded(tmp_path, files).agents["support"].versions["v2"]
    assert found.system_prompt == "Be kind."
    assert found.parameters == {"temperature": "0.3", "response_format": '{"type":"text"}', "a": "1", "b": "5"}
    assert [tool.name for tool in found.tools] == ["one", "two", "three"]
    assert '"description":"new"' in found.tools[0].definition


def test_chains_of_extends(tmp_path: Path) -> None:
    """A version that is extended may itself extend another."""
    found = version(tmp_path, "extends: v2\nmax_tokens: 5\n", "v3")
    assert found.parameters == {"temperature": "0.2", "max_tokens": "5"}


def test_a_problem_that_is_inherited_is_told_once_where_it_was_written(tmp_path: Path) -> None:
    """v2 extends v1, but only v1's line is wrong."""
    assert complaints(tmp_path, "model: openai/x\ntemperature: 3\n") == [
        "agents/support/v1.yaml:2: temperature: must be at most 2"
    ]


def test_a_prompt_may_be_a_file_beside_the_version_or_in_the_folder(tmp_path: Path) -> None:
    """The version's own folder is looked at first; the text is taken as it is."""
    text = "model: openai/x\nsystem_prompt: {file: prompts/x.md}\n"
    files = {"agents/support/v1.yaml": text, "prompts/x.md": "Far ${HOME}.\n"}
    assert loaded(tmp_path, files).agents["support"].versions["v1"].system_prompt == "Far ${HOME}.\n"
    files["agents/support/prompts/x.md"] = "Near."
    assert loaded(tmp_path, files).agents["support"].versions["v1"].system_prompt == "Near."


@pytest.mark.parametrize("file", ["../../../outside.md", "link.md", "{outside}"])
def test_a_prompt_never_leaves_the_folder(tmp_path: Path, file: str) -> None:
    """Not by dots, not by a link, not by an absolute path."""
    outside, folder = tmp_path / "outside.md", tmp_path / "config"
    outside.write_text("secret")
    folder.mkdir()
    (folder / "link.md").symlink_to(outside)
    path = file.format(outside=outside)
    (found,) = problems(folder, {"agents/support/v1.yaml": f"model: openai/x\nsystem_prompt: {{file: {path}}}\n"})
    assert found.endswith("lies outside of the configuration folder; copy it inside")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("temperature: 1", "v1.yaml:1: model: is missing; write provider/model, such as openai/gpt-4o"),
        (
            "model: opnai/x",
            "v1.yaml:1: model: unknown provider 'opnai'; did you mean 'openai'? known: openai; for a model",
        ),
        ("model: 5", "v1.yaml:1: model: must be text; put it in quotes"),
        (
            "model: openai/x\ntemprature: 1",
            "v1.yaml:2: temprature: unknown key 'temprature'; did you mean 'temperature'?",
        ),
        ("model: openai/x\ntemperature: hot", "v1.yaml:2: temperature: must be a number, such as 0.3"),
        ("model: openai/x\ntemperature: true", "v1.yaml:2: temperature: must be a number"),
        ("model: openai/x\nmax_tokens: 1.5", "v1.yaml:2: max_tokens: must be a whole number"),
        ("model: openai/x\ntemperature:", "v1.yaml:2: temperature: has no value, and there is no inherited one"),
        ("model: openai/x\nstop: 5", "v1.yaml:2: stop: must be text"),
        ("model: openai/x\nstop: [a, b, c, d, e]", "v1.yaml:2: stop: must have at most 4 entries"),
        ("model: openai/x\nextra: {messages: 1}", "extra.messages: messages is a key of its own"),
        ("model: openai/x\nextra: {temperature: 1}", "extra.temperature: temperature is a key of its own"),
        ("model: openai/x\nclient_may_set: [temprature]", "client_may_set.0: unknown parameter 'temprature'; did you"),
        ("model: openai/x\ntools: [{name: a}, {name: a}]", "tools.1: a second tool called 'a'; names must be unique"),
        ("model: openai/x\ntools: [{name: a b}]", "tools.0.name: has characters that are not allowed"),
        ("model: openai/x\ntools: [{description: x}]", "tools.0.name: is missing"),
        (
            "model: openai/x\ntools: [{name: a, parmeters: {}}]",
            "tools.0.parmeters: unknown key 'parmeters'; did you mean",
        ),
        ("model: openai/x\ntools: [{type: function}]", "tools.0.function: is missing"),
        ("model: openai/x\ntools: [a]", "tools.0: must be a mapping (key: value)"),
        ("model: openai/x\nsystem_prompt: {file: none.md}", "system_prompt.file: 'none.md' not found in"),
        ("model: openai/x\nsystem_prompt: {fil: none.md}", "system_prompt.file: is missing"),
        ("model: openai/x\nsystem_prompt: 5", "system_prompt: must be text; put it in quotes"),
        ("extends: v0", "v1.yaml:1: extends: unknown version 'v0'; known: v1, v2"),
        ("extends: v2", "v1.yaml:1: extends: extends itself:  v2 → v1 → v2"),
        ("model: openai/x\nextends: 5", "extends: must be text; put it in quotes"),
        ("- a", "v1.yaml:1: must be a mapping (key: value)"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(tmp_path: Path, text: str, complaint: str) -> None:
    """Line, path and a message that shows what to write."""
    found = complaints(tmp_path, text)
    assert any(complaint in line for line in found), found


def test_a_model_alone_needs_a_provider_when_there_are_several(tmp_path: Path) -> None:
    """The message lists what could be meant."""
    files = {
        "gateway.yaml": GATEWAY + "  house: {api: openai, base_url: http://x/v1}\n",
        "agents/support/v1.yaml": "model: m",
    }
    (found,) = problems(tmp_path, files)
    assert found == "agents/support/v1.yaml:1: model: 'm' needs its provider in front: house/m, openai/m"


def test_files_that_nothing_refers_to_are_validated_too(tmp_path: Path) -> None:
    """An agent that is not served yet may be wrong already; one that is well draws a warning."""
    assert problems(tmp_path, {"agents/new/v1.yaml": "modl: x"})[0].startswith("agents/new/v1.yaml:1:")
    deployment = loaded(tmp_path, {"agents/new/v1.yaml": "model: openai/x", "agents/new/v2.yml": "", "agents/.x": ""})
    assert "new" not in deployment.agents
    assert any(line.endswith("agents/new/v2.yml is not used: rename it to v2.yaml") for line in deployment.warnings)
    assert "agents/new is not served: routing.yaml does not name it" in deployment.warnings


def test_odd_names_of_files(tmp_path: Path) -> None:
    """A version is named by its file, so the file's name must be a name; a stray file draws a warning."""
    assert any(
        "'v 3' is not a valid name" in line
        for line in problems(tmp_path, {"agents/support/v 3.yaml": "model: openai/x"})
    )
    (tmp_path / "agents/support/v 3.yaml").unlink()
    assert any("readme.md is not used" in line for line in loaded(tmp_path, {"agents/readme.md": "x"}).warnings)
