"""A version's prompt in its file: texts, declarations, the place of each mistake, and what a trial refuses."""

from pathlib import Path

import pytest

from routing.agents import AgentVersion, PromptInput, PromptMessage
from tests.gateway.config.folders import ROUTING, V1, loaded, problems

MODEL = "model: openai/m\n"
INPUTS = "inputs:\n  name: {max_length: 20}\n  plan: {enum: [free, pro], default: free}\n"


def version(folder: Path, text: str, name: str = "v1", **files: str) -> AgentVersion:
    more = {f"agents/support/{key}.yaml": each for key, each in files.items()}
    return loaded(folder, {f"agents/support/{name}.yaml": text, **more}).agents["support"].versions[name]


def complaints(folder: Path, text: str) -> list[str]:
    found = problems(folder, {"agents/support/v1.yaml": text, "agents/support/v2.yaml": V1})
    return [line.removeprefix("agents/support/") for line in found]


def test_a_prompt_with_variables(tmp_path: Path) -> None:
    """Messages and declarations stand as they are written, with the limits of those that say nothing."""
    text = (
        f"{MODEL}system_prompt: Hi {{{{name}}}}\nmessages:\n  - {{role: user, content: '{{{{plan}}}}?'}}\n{INPUTS}"
        "  n: {type: number, required: false}\n  list: {default: [1, a]}\n  yes: {enum: [true]}\n"
    )
    found = version(tmp_path, text)
    assert (found.system_prompt, found.messages) == ("Hi {{name}}", (PromptMessage("user", "{{plan}}?"),))
    assert found.inputs == {
        "name": PromptInput("string", 20),
        "plan": PromptInput("string", 10_000, ('"free"', '"pro"'), '"free"'),
        "n": PromptInput("number", required=False),
        "list": PromptInput("array", 1000, default='[1,"a"]'),
        "yes": PromptInput("boolean", enum=("true",)),
    }


def test_extends(tmp_path: Path) -> None:
    """`inputs` merge by name and null takes one away; `messages` are replaced whole."""
    base = f"{MODEL}messages: [{{role: user, content: a}}]\n{INPUTS}"
    own = "extends: v1\ninputs: {plan: ~, name: {max_length: 90}, tone: {default: kind}}\nmessages: []\n"
    found = version(tmp_path, own, "v2", v1=base)
    assert found.messages == () and [*found.inputs] == ["name", "tone"]
    assert found.inputs["name"].max_length == 90


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("system_prompt: |\n  One\n  two {{nam}}\n" + INPUTS, "v1.yaml:4: system_prompt: {{nam}} is not declared"),
        ("system_prompt: 'One\n\n  {{nam}}'\n" + INPUTS, "v1.yaml:2: system_prompt: {{nam}} is not declared"),
        ("system_prompt: |\n  {{name}}\n", "v1.yaml:3: system_prompt: {{name}} is a placeholder, but no `inputs`"),
        (
            "messages:\n  - role: user\n    content: |\n      One\n      {{#if x}}\n" + INPUTS,
            "v1.yaml:6: messages.0.content: {{#if x}} is not declared",
        ),
        ("messages: [{role: tool, content: x}]", "v1.yaml:2: messages.0.role: unknown value 'tool'"),
        ("messages: [{role: assistant, content: x}]", "v1.yaml:2: messages.0.role: an answer needs something"),
        (
            "messages: [{role: user, content: x}, {role: system, content: y}]",
            "v1.yaml:2: messages.1.role: system messages come before",
        ),
        ("messages: [{role: user, content: {file: no.md}}]", "v1.yaml:2: messages.0.content.file: 'no.md' not found"),
        ("inputs: {a b: {}}", "v1.yaml:2: inputs.a b: has characters that are not allowed"),
        ("inputs: {this: {}}", "v1.yaml:2: inputs.this: 'this' is a word of templates"),
        ("inputs: {a: {type: text}}", "v1.yaml:2: inputs.a.type: unknown value 'text'"),
        ("inputs: {a: {type: number, max_length: 3}}", "v1.yaml:2: inputs.a.max_length: is for strings and arrays"),
        ("inputs: {a: {max_length: 2, default: abc}}", "v1.yaml:2: inputs.a.default: must have at most 2 characters"),
        ("inputs: {a: {enum: [x], default: y}}", 'v1.yaml:2: inputs.a.default: must be one of "x"'),
        ("inputs: {a: {enum: [x, 1]}}", "v1.yaml:2: inputs.a.enum.1: must be a string"),
        ("extra: {inputs: {}}", "v1.yaml:2: extra.inputs: inputs is a key of its own"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    """Each mistake is reported with its line, a template's with the line of its text."""
    (found,) = complaints(tmp_path, MODEL + text)
    assert found.startswith(complaint)


def test_mistakes_in_a_file_of_its_own(tmp_path: Path) -> None:
    """The place of a placeholder is the prompt's own file."""
    files = {
        "prompts/x.md": "One\n{{nobody}}\n",
        "agents/support/v1.yaml": MODEL + "system_prompt: {file: prompts/x.md}\n",
    }
    (found,) = problems(tmp_path, {**files, "agents/support/v2.yaml": V1})
    assert found.startswith("prompts/x.md:2: system_prompt: {{nobody}} is a placeholder")


@pytest.mark.parametrize(
    ("stable", "canary", "why"),
    [
        ("{}", "{new: {}}", "its input 'new' has no default, and stable does not know it; give it a default"),
        ("{a: {default: x}}", "{a: {}}", "its input 'a' has no default, and stable does not need it"),
        ("{a: {}}", "{a: {type: number}}", "its input 'a' is of type number, and stable's of type string"),
        ("{a: {enum: [x, y]}}", "{a: {enum: [x]}}", "its input 'a' does not take 'y', which stable takes"),
        ("{a: {}}", "{a: {enum: [x]}}", "its input 'a' does not take every value, which stable takes"),
        ("{a: {max_length: 9}}", "{a: {max_length: 8}}", "its input 'a' takes at most 8, and stable's more"),
    ],
)
def test_canary_that_refuses_stables_calls(tmp_path: Path, stable: str, canary: str, why: str) -> None:
    """A canary must take every call that stable takes, or its callers would fail on one arm alone."""
    files = {
        f"agents/support/v{n}.yaml": f"{MODEL}seed: {n}\ninputs: {each}\n" for n, each in ((1, stable), (2, canary))
    }
    (found,) = problems(tmp_path, files)
    assert found.startswith(f"routing.yaml:4: agents.support.canary: v2 would refuse calls that v1 serves: {why}")


@pytest.mark.parametrize(
    ("stable", "canary"),
    [
        ("{}", "{a: {default: x}, b: {required: false}}"),
        ("{a: {}, b: {}}", "{a: {}}"),
        ("{a: {enum: [x]}}", "{a: {enum: [y, x], max_length: 1}}"),
        ("{a: {type: number}}", "{a: {type: number, default: 1}}"),
        ("{a: {max_length: 8}}", "{a: {max_length: 9}}"),
    ],
)
def test_canary_that_takes_stables_calls(tmp_path: Path, stable: str, canary: str) -> None:
    """New inputs with defaults, wider ones, and inputs that are gone break no caller."""
    files = {
        f"agents/support/v{n}.yaml": f"{MODEL}seed: {n}\ninputs: {each}\n" for n, each in ((1, stable), (2, canary))
    }
    assert loaded(tmp_path, files).agents["support"].canary == "v2"


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [
        ("{pmpt_1: suport}", "prompt_ids.pmpt_1: unknown agent 'suport'; did you mean 'support'?"),
        ("{support: support}", "prompt_ids.support: 'support' is an agent already"),
    ],
)
def test_ids_of_prompts(tmp_path: Path, ids: str, complaint: str) -> None:
    """An id leads to an agent, and hides none."""
    (found,) = problems(tmp_path, {"routing.yaml": f"{ROUTING}prompt_ids: {ids}\n"})
    assert complaint in found
    ids_ = loaded(tmp_path, {"routing.yaml": f"{ROUTING}prompt_ids: {{pmpt_1: support}}\n"}).prompt_ids
    assert ids_ == {"pmpt_1": "support"}


def test_shadow_that_needs_more(tmp_path: Path) -> None:
    """A shadow's inputs break no caller; that calls without them are not copied is a warning."""
    routing = "agents: {support: {stable: v1, shadow: {version: v2, sample: 5%}}}\n"
    inputs = {1: "{a: {}, b: {default: x}}", 2: "{a: {}, b: {}, c: {}, d: {default: x}}"}
    files = {f"agents/support/v{n}.yaml": f"{MODEL}seed: {n}\ninputs: {each}\n" for n, each in inputs.items()}
    warnings = loaded(tmp_path, {"routing.yaml": routing, **files}).warnings
    assert [warning.partition(" are not copied")[0] for warning in warnings] == [
        f"agent support: calls without a value of '{name}'" for name in "bc"
    ]
