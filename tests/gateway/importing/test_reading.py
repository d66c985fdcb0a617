"""Prompts of other tools as versions: what is kept, what is refused by its place, and what is left out by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.main import main
from gateway.config.strict_yaml import parse
from gateway.importing.imported import first_lines
from gateway.importing.reading import read_prompt_file
from gateway.importing.version_yaml import write_yaml

DOTPROMPT = """\
---
name: greeting
model: googleai/gemini-2.5-flash
config: {temperature: 0.4, topK: 20, maxOutputTokens: 100, stopSequences: [END], odd: 1}
input:
  schema:
    customer: string, the customer's name
    plan?(enum, what they pay): [free, pro]
    orders(array): {id: string}
    address?: {city: string}
  default: {plan: free}
output: {format: json, schema: {answer: string}}
metadata: {x: 1}
---
{{role "system"}}
{{!-- for people --}}
You help {{customer}}{{#if address}} of {{address.city}}{{/if}}.
{{#each orders}}
- {{id}} for {{../customer}}: {{json this}}
{{/each}}
{{#unless plan}}No plan.{{/unless}}
{{role "user"}}
Hi
{{role "model"}}
Hello {{{customer}}}! \\{{literal}}
"""
PROMPTY = """\
---
name: Support
description: Answers.
authors: [ann]
model:
  api: chat
  configuration: {type: azure_openai, azure_deployment: gpt-5}
  parameters: {max_tokens: 50, tools: [{type: function, function: {name: look}}], odd: 1}
sample:
  customer: {name: Ann}
  question: Why?
  documents: [{title: a}]
---
system:
You help {{ customer.name }}. {# a comment #}
{% for doc in documents %}
- {{ doc.title }}
{% endfor %}
{% if question %}There is a question.{% else %}None.{% endif %}

user:
{{question}}
"""
LANGFUSE: dict[str, Any] = {
    "type": "chat",
    "name": "movie-critic",
    "version": 3,
    "prompt": [
        {"role": "system", "content": "You are a {{level}} critic \U0001f600."},
        {"role": "user", "content": "Is {{movie}} good?"},
    ],
    "config": {"model": "gpt-5", "temperature": 0.7},
    "labels": ["production"],
}
OPENAI: dict[str, Any] = {
    "object": "prompt",
    "id": "pmpt_68",
    "model": "gpt-5",
    "instructions": "Help {{name}}.",
    "input": [
        {"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"type": "message", "role": "user", "content": "I am {{name}} of {{city}}."},
    ],
    "variables": ["name", "city", "age"],
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}],
    "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}},
    "reasoning": {"effort": "low"},
    "max_output_tokens": 100,
    "top_p": None,
}


def imported(folder: Path, name: str, text: str) -> tuple[Any, list[str], list[str]]:
    """The version, what was refused and what was left out, without the folder's own path."""
    (folder / name).write_text(text, encoding="utf-8")
    yaml, draft = read_prompt_file(folder / name)
    root = parse(yaml, "v1.yaml").root
    said = [[line.removeprefix(f"{folder}/") for line in first_lines(each)] for each in (draft.refused, draft.left_out)]
    return root.plain() if root else None, said[0], said[1]


def test_dotprompt(tmp_path: Path) -> None:
    """Roles become messages, Picoschema declarations, fields of items `this`; comments go, literal braces stay."""
    version, refused, left_out = imported(tmp_path, "a.prompt", DOTPROMPT)
    assert refused == []
    assert version["system_prompt"] == (
        "You help {{customer}}{{#if address}} of {{address.city}}{{/if}}.\n{{#each orders}}\n"
        "- {{this.id}} for {{customer}}: {{this}}\n{{/each}}\n{{#if plan}}{{else}}No plan.{{/if}}"
    )
    hello = {"role": "assistant", "content": "Hello {{customer}}! \\{{literal}}"}
    assert version["messages"] == [{"role": "user", "content": "Hi"}, hello]
    assert version["inputs"] == {
        "customer": {"type": "string"},
        "address": {"required": False, "type": "object"},
        "orders": {"type": "array"},
        "plan": {"required": False, "enum": ["free", "pro"], "default": "free"},
    }
    assert (version["max_tokens"], version["extra"], version["stop"]) == (100, {"top_k": 20}, ["END"])
    assert [line.split(": ")[1] for line in left_out] == ["config.odd", "output.schema", "metadata"]
    assert left_out[0].startswith("a.prompt:4: config.odd: is not kept")


def test_prompty(tmp_path: Path) -> None:
    """Jinja's values, conditions and loops become ours; samples declare the variables."""
    version, refused, left_out = imported(tmp_path, "a.prompty", PROMPTY)
    assert refused == []
    assert version["system_prompt"] == (
        "You help {{customer.name}}. \n{{#each documents}}\n- {{this.title}}\n{{/each}}\n"
        "{{#if question}}There is a question.{{else}}None.{{/if}}"
    )
    assert version["messages"] == [{"role": "user", "content": "{{question}}"}]
    assert version["inputs"] == {"customer": {"type": "object"}, "documents": {"type": "array"}, "question": {}}
    assert (version["model"], version["max_tokens"], version["tools"][0]["function"]["name"]) == ("gpt-5", 50, "look")
    assert [line.split(": ")[1] for line in left_out] == ["model.parameters.odd", "model.configuration", "authors"]


@pytest.mark.parametrize("ascii_", [True, False])
def test_langfuse(tmp_path: Path, ascii_: bool) -> None:
    """Messages and the configuration are kept; variables are declared as strings."""
    version, refused, left_out = imported(tmp_path, "a.json", json.dumps(LANGFUSE, ensure_ascii=ascii_, indent=1))
    assert refused == [] and [line.split(": ")[1] for line in left_out] == ["version", "labels"]
    assert version == {
        "name": "movie-critic", "model": "gpt-5", "temperature": 0.7,
        "system_prompt": "You are a {{level}} critic \U0001f600.",
        "messages": [{"role": "user", "content": "Is {{movie}} good?"}], "inputs": {"level": {}, "movie": {}},
    }  # fmt: skip


def test_text_of_langfuse(tmp_path: Path) -> None:
    """A prompt of type text is the system prompt."""
    version, _, _ = imported(tmp_path, "a.json", json.dumps({"type": "text", "prompt": "Hi {{a}}\nthere"}))
    assert version == {"system_prompt": "Hi {{a}}\nthere", "inputs": {"a": {}}}


def test_openai(tmp_path: Path) -> None:
    """A stored prompt keeps instructions, messages, tools, output and parameters."""
    version, refused, left_out = imported(tmp_path, "a.json", json.dumps(OPENAI))
    assert refused == [] and [line.split(": ")[1] for line in left_out] == ["id"]
    assert version == {
        "model": "gpt-5", "system_prompt": "Help {{name}}.\n\nBe kind.",
        "messages": [{"role": "user", "content": "I am {{name}} of {{city}}."}],
        "inputs": {"name": {}, "city": {}, "age": {}}, "max_completion_tokens": 100, "reasoning_effort": "low",
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.prompt", "---\nmodel: x\n---\nHi\n{{> header}}", "a.prompt:5: {{> header}} is not kept"),
        ("a.prompt", "Hi\n{{media url=photo}}", "a.prompt:2: {{media url=photo}} is not kept"),
        ("a.prompt", "{{#section a}}", "a.prompt:1: {{#section a}} is not kept"),
        ("a.prompt", "{{history}}", "a.prompt:1: {{history}} is not kept: a client's messages follow"),
        ("a.prompt", "a\n{{~name}}", "a.prompt:2: {{~name}} is not kept: it removes white space"),
        ("a.prompt", "{{#each a}}{{#each b}}{{../c}}", "a.prompt:1: {{../c}} is not kept: an outer loop"),
        ("a.prompt", "{{#each a}}{{@index}}{{/each}}", "a.prompt:1: {{@index}} is not kept"),
        ("a.prompt", "{{#unless a}}x{{else}}y{{/unless}}", "a.prompt:1: {{else}} is not kept"),
        ("a.prompt", "{{/if}}", "a.prompt:1: {{/if}} closes no block"),
        ("a.prompt", "---\ntools: [look]\n---\nx", "a.prompt:2: tools: names tools that are defined in code"),
        ("a.prompt", "---\ninput: {schema: {a: what}}\n---\nx", "a.prompt:2: input.schema.a: 'what' is no type"),
        ("a.prompt", "---\na: &x 1\n---\nx", "a.prompt:2: a: anchors (&x) are not supported"),
        ("a.prompt", "{{#if a}}", "a.prompt: messages.0.content: {{#if a}} is not closed"),
        ("a.prompty", "system:\n{{ a | upper }}", "a.prompty:2: {{ a | upper }} is not kept"),
        ("a.prompty", "system:\n{% set a = 1 %}", "a.prompty:2: {% set a = 1 %} is not kept"),
        ("a.prompty", "system:\n{%- if a -%}", "a.prompty:2: {%- if a -%} is not kept: it removes white space"),
        ("a.prompty", "---\ntemplate: erb\n---\nx", "a.prompty:2: template: 'erb' is no template language"),
        ("a.prompty", "system:\nx\ntool:\ny", "a.prompty:3: messages of role tool are not kept"),
        (
            "a.json",
            '{"prompt": [\n{"type": "placeholder", "name": "h"}]}',
            "a.json:2: prompt.0: a message of type placeholder",
        ),
        (
            "a.json",
            '{"instructions": "x", "input": [\n{"role": "user", "content": [\n{"type": "input_image"}]}]}',
            "a.json:3: input.0: input_image is not kept",
        ),
        (
            "a.json",
            '{"instructions": "x",\n"tools": [{"type": "web_search"}]}',
            "a.json:2: tools.0: a tool of type web_search",
        ),
        ("a.json", "[1]", "a.json:1: is no prompt that is known"),
        ("a.json", "", "a.json:1: the file is empty"),
        ("a.json", "{", "a.json:2: not YAML"),
    ],
)
def test_what_cannot_be_kept(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    """What would change the prompt is refused with file and line."""
    _, refused, _ = imported(tmp_path, name, text)
    assert refused and refused[0].startswith(complaint)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The YAML is printed or written, never over a file; what is left out is said, what is refused ends with 1."""
    file, out = tmp_path / "a.json", tmp_path / "v1.yaml"
    file.write_text(json.dumps(LANGFUSE))
    assert main(["import", "prompt", str(file), "--model", "openai/gpt-5"]) == 0
    shown = capsys.readouterr()
    assert 'model: "openai/gpt-5"' in shown.out and "left out: " in shown.err
    command = ["import", "prompt", str(file), "--out", str(out)]
    assert [main(command), main(command)] == [0, 2] and out.read_text().startswith("name: ")
    file.write_text("{}")
    assert main(["import", "prompt", str(file)]) == 1
    assert main(["import", "prompt", str(tmp_path / "no.prompt")]) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), below, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b-c", "on", "x y", "true", "é"]), JSON, min_size=1))
def test_yaml(content: dict[str, Any]) -> None:
    """What is written is what is read, whatever is in it."""
    parsed = parse(write_yaml(content), "x")
    assert parsed.problems == () and parsed.root is not None and parsed.root.plain() == content
