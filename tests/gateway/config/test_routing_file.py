from pathlib import Path

import pytest

from policies.guardrails import DEFAULT_GUARDRAILS
from routing.agents import Agent, Sticky, Target
from tests.gateway.config.folders import ROUTING, loaded, problems


def support(folder: Path, text: str) -> Agent:
    return loaded(folder, {"routing.yaml": ROUTING + text}).agents["support"]


def test_a_trial_is_resolved(tmp_path: Path) -> None:
    """Names become versions, the weight basis points, and what is not written has its default."""
    agent = support(tmp_path, "")
    assert (agent.stable, agent.canary, agent.weight) == ("v1", "v2", 500)
    assert agent.versions.keys() == {"v1", "v2"}
    assert agent.sticky == Sticky("conversation")
    assert agent.guardrails == DEFAULT_GUARDRAILS


def test_everything_there_is_to_say(tmp_path: Path) -> None:
    """Rules, stickiness, chain and guardrails, with values as text."""
    agent = support(
        tmp_path,
        "    sticky: header:X-Tenant\n"
        "    rules:\n"
        "      - {when: {group: internal}, use: v2}\n"
        "      - {when: {stream: true, user: [42, ann], header:X-Country: NO}, use: v1}\n"
        "    fallback: [openai/gpt-4o-mini, human]\n"
        "    guardrails: [error_rate <= 10%]\n",
    )
    assert agent.sticky == Sticky("header", "x-tenant")
    assert agent.rules[0].when == {"group": ("internal",)}
    assert agent.rules[1].when == {"stream": ("true",), "user": ("42", "ann"), "header:x-country": ("NO",)}
    assert agent.fallback == (Target("openai", "gpt-4o-mini"), "human")
    assert agent.guardrails == ("error_rate <= 10%",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stable: v1\n    canary: v3\n    weight: 5%", "5: agents.a.canary: unknown version 'v3'; known: v1, v2"),
        ("stable: v1\n    canary: v2", "agents.a.canary: a canary needs its share; add `weight: 5%`"),
        ("stable: v1\n    weight: 5%", "agents.a.weight: a weight needs a canary; add `canary: <version>`"),
        (
            "stable: v1\n    canary: v1\n    weight: 5%",
            "agents.a.canary: 'v1' is stable too, so nothing would be on trial",
        ),
        ("canary: v2\n    weight: 5%", "routing.yaml:3: agents.a.stable: is missing"),
        ("stable: v1\n    canary: v2\n    weight: 5", "agents.a.weight: write a percentage with its sign, such as 5%"),
        ("stable: v1\n    canary: v2\n    weight: 101%", "agents.a.weight: '101%' is more than 100%"),
        ("stable: v1\n    steps: [{weight: 5%}]", "agents.a.steps: is not supported by this version yet; use `weight`"),
        ("stable: v1\n    shadow: {version: v2}", "agents.a.shadow: is not supported by this version yet"),
        ("stable: v1\n    signals: []", "agents.a.signals: is not supported by this version yet"),
        ("stable: v1\n    foo: 5", "agents.a.foo: unknown key 'foo'; known: canary, fallback, guardrails, rules"),
        ("stable: 1.10", "agents.a.stable: must be text; put it in quotes, such as '1.10'"),
        (
            "stable: v1\n    sticky: session",
            "agents.a.sticky: unknown unit 'session'; known: conversation, user, request",
        ),
        ("stable: v1\n    sticky: header:Cookie", "agents.a.sticky: 'Cookie' is a credential; use the fact `caller`"),
        ("stable: v1\n    sticky: 'header:'", "agents.a.sticky: '' is no header name; write header:<name>"),
        (
            "stable: v1\n    rules: [{when: {grup: x}, use: v1}]",
            "when.grup: unknown fact 'grup'; did you mean 'group'?",
        ),
        ("stable: v1\n    rules: [{when: {group: x}, use: v9}]", "rules.0.use: unknown version 'v9'; known: v1, v2"),
        ("stable: v1\n    rules: [{when: {group: 1.5}, use: v1}]", "when.group: 1.5 must be text; put it in quotes"),
        ("stable: v1\n    rules: [{when: {group: []}, use: v1}]", "when.group: must hold 1 to 1000 values"),
        ("stable: v1\n    rules: [{when: {header:authorization: x}, use: v1}]", "'authorization' is a credential"),
        ("stable: v1\n    rules: [{use: v1}]", "agents.a.rules.0.when: is missing"),
        ("stable: v1\n    rules: {}", "agents.a.rules: must be a list, such as [a, b]"),
        ("stable: v1\n    fallback: [human, openai/x]", "fallback.0: `human` must be the last link"),
        ("stable: v1\n    fallback: [gpt-4o]", "fallback.0: write provider/model, such as openai/gpt-4o, or human"),
        (
            "stable: v1\n    fallback: [opnai/x]",
            "fallback.0: unknown provider 'opnai'; did you mean 'openai'? known: openai",
        ),
        ("stable: v1\n    fallback: [openai/x, openai/x]", "fallback.1: 'openai/x' is in the chain already"),
        ("stable: v1\n    guardrails: [error_rate < 1]", "guardrails.0: cannot read guardrail 'error_rate < 1'; write"),
        ("stable: v1\n    guardrails: [5]", "guardrails.0: must be text; put it in quotes"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(tmp_path: Path, text: str, complaint: str) -> None:
    """Line, path and a message that shows what to write."""
    agents = {f"agents/a/{name}.yaml": f"model: openai/{name}" for name in ("v1", "v2")}
    found = problems(tmp_path, {"routing.yaml": f"\n\nagents:\n  a:\n    {text}\n".replace("\n\n", "\n", 1), **agents})
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(("written", "weight"), [("0%", 0), ("0.01%", 1), ("100%", 10_000)])
def test_weights_from_nothing_to_everything(tmp_path: Path, written: str, weight: int) -> None:
    """The ends are allowed, and one basis point is the smallest step."""
    text = ROUTING.replace("5%", written)
    assert loaded(tmp_path, {"routing.yaml": text}).agents["support"].weight == weight


def test_a_canary_with_the_content_of_stable_is_refused(tmp_path: Path) -> None:
    """Whatever it is called, nothing would be on trial."""
    (found,) = problems(tmp_path, {"agents/support/v2.yaml": "extends: v1\nname: other label\n"})
    assert found == (
        "routing.yaml:4: agents.support.canary: v2 has the same content as v1, so nothing would be on trial; "
        "change it first"
    )


def test_an_agent_without_files_is_told_where_they_go(tmp_path: Path) -> None:
    """The way out is the path of the missing file."""
    (found,) = problems(tmp_path, {"routing.yaml": ROUTING + "  other: {stable: v1}\n"})
    assert found.endswith("unknown version 'v1'; known: none; a version is a file, here agents/other/v1.yaml")


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "a@v2", "x" * 65, "''", "a/b", '"a\\n"', "ä"])
def test_agent_names_are_safe_in_paths_and_keys(tmp_path: Path, name: str) -> None:
    """No separators, no leading dot, no line breaks: names become paths, header values and store keys."""
    found = problems(tmp_path, {"routing.yaml": f"{ROUTING}  {name}: {{stable: v1}}\n"})
    assert any("is no name; use 1 to 64 of" in line for line in found), found


def test_a_trial_without_guardrails_draws_a_warning(tmp_path: Path) -> None:
    """An empty list is obeyed, but nobody should write it unknowingly."""
    deployment = loaded(tmp_path, {"routing.yaml": ROUTING + "    guardrails: []\n"})
    assert deployment.agents["support"].guardrails == ()
    assert deployment.warnings == ("agent support has no guardrails: nothing rolls v2 back",)
