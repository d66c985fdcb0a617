"""`models`, `aliases` and the models of keys: what is wrong with them is told with file, line and a hint."""

from pathlib import Path

import pytest

from gateway.config import check
from gateway.config.gateway_file import ClientKey
from tests.gateway.config.folders import ENVIRON, GATEWAY, ROUTING, loaded, problems

SHA = "a" * 64
KEYS = f'keys:\n  app: {{sha256: "{SHA}", '


def in_gateway(more: str) -> dict[str, str]:
    return {"gateway.yaml": GATEWAY + more}


def in_routing(aliases: str, models: str = "") -> dict[str, str]:
    return {"routing.yaml": f"{ROUTING}aliases:\n{aliases}", "gateway.yaml": GATEWAY + models}


def test_models_and_aliases(tmp_path: Path) -> None:
    """They are part of the deployment, of its digest, and of what `serinus check` tells."""
    files = in_routing("  gpt-4o: support\n  'модель@1': openai/gpt-5\n", "models: [openai/gpt-*]\n")
    deployment = loaded(tmp_path, files)
    assert deployment.settings.models == ("openai/gpt-*",)
    assert deployment.aliases == {"gpt-4o": "support", "модель@1": "openai/gpt-5"}
    report = check(tmp_path, ENVIRON)[1]
    assert "  gpt-4o → support" in report and "plain models  openai/gpt-*" in report
    assert deployment.digest != loaded(tmp_path, in_routing("  gpt-4: support\n", "models: [openai/gpt-*]\n")).digest


def test_no_agent_is_needed(tmp_path: Path) -> None:
    """An app may change its base_url before anybody has written an agent."""
    files = {"routing.yaml": "agents: {}\n", **in_gateway("models: [openai/*]\n")}
    assert dict(loaded(tmp_path, files).agents) == {}


@pytest.mark.parametrize(
    "pattern", ["'*'", "'*/gpt-4o'", "gpt-4o", "openai/", "openai/*-mini", "openai/a*b*", "'openai/a b'", "-openai/*"]
)
def test_patterns_that_are_none(tmp_path: Path, pattern: str) -> None:
    """Each names its provider, so that one that comes later is not open unasked; a star is the end."""
    assert problems(tmp_path, in_gateway(f"models: [{pattern}]\n")) == [
        "gateway.yaml:3: models.0: write provider/model, such as openai/gpt-4o, or a beginning with a star, such as "
        "openai/gpt-* or openai/*; each provider is named"
    ]


def test_patterns_that_match_nothing(tmp_path: Path) -> None:
    """A provider that there is not, and a key's model that is not passed on."""
    assert problems(tmp_path, in_gateway("models: [opnai/*]\n")) == [
        "gateway.yaml:3: models.0: unknown provider 'opnai'; did you mean 'openai'? known: openai"
    ]
    assert problems(tmp_path, in_gateway("models: [openai/gpt-*]\n" + KEYS + "models: [openai/o3, openai/g*]}\n")) == [
        "gateway.yaml:5: keys.app.models.0: 'openai/o3' is not among the models that are passed on: openai/gpt-*"
    ]
    assert problems(tmp_path, in_gateway(KEYS + "models: [openai/o3]}\n")) == [
        "gateway.yaml:4: keys.app.models.0: 'openai/o3' is not among the models that are passed on: none, as there is "
        "no `models` beside `keys`"
    ]


def test_an_alias_hides_no_agent(tmp_path: Path) -> None:
    """Neither the agent nor a pin of it."""
    assert problems(tmp_path, in_routing("  support: support\n  support@v3: support\n")) == [
        "routing.yaml:7: aliases.support: 'support' is an agent already; remove the alias, or rename the agent",
        "routing.yaml:8: aliases.support@v3: 'support@v3' names a version of the agent 'support'; choose another alias",
    ]


def test_an_alias_leads_somewhere(tmp_path: Path) -> None:
    """To an agent that is served, or a model that is passed on."""
    text = "  a: suport\n  b: opnai/gpt-4o\n  c: openai/gpt-4o\n  d: 'a b'\n  'e f': support\n  g: 4\n"
    assert problems(tmp_path, in_routing(text)) == [
        "routing.yaml:7: aliases.a: unknown agent 'suport'; did you mean 'support'? known: support; for a model write "
        "provider/model",
        "routing.yaml:8: aliases.b: unknown provider 'opnai'; did you mean 'openai'? known: openai",
        "routing.yaml:9: aliases.c: 'openai/gpt-4o' is passed on to nobody; add it to `models` in gateway.yaml",
        "routing.yaml:10: aliases.d: write an agent's name, or provider/model, such as openai/gpt-4o",
        "routing.yaml:11: aliases.e f: 'e f' is no name of a model; use 1 to 200 characters without spaces",
        "routing.yaml:12: aliases.g: write an agent's name, or provider/model, such as openai/gpt-4o",
    ]


@pytest.mark.parametrize(
    ("agents", "models", "agents_in_scope", "models_in_scope"),
    [
        (None, None, None, None),
        (("a",), None, ("a",), ()),
        (None, ("openai/*",), (), ("openai/*",)),
        (None, (), None, ()),
        (("a",), ("openai/*",), ("a",), ("openai/*",)),
        ((), None, (), ()),
    ],
)
def test_scopes_of_keys(
    agents: tuple[str, ...] | None,
    models: tuple[str, ...] | None,
    agents_in_scope: tuple[str, ...] | None,
    models_in_scope: tuple[str, ...] | None,
) -> None:
    """A key that names neither may call everything; one that names either calls only what it names."""
    key = ClientKey(sha256=SHA, agents=agents, models=models)
    assert (key.agents_in_scope, key.models_in_scope) == (agents_in_scope, models_in_scope)


def test_keys_that_share_an_account_by_plain_models(tmp_path: Path) -> None:
    """The warning counts them, too."""
    other = SHA.replace("a", "b")
    keys = KEYS + f'models: [openai/*]}}\n  lab: {{sha256: "{other}", agents: [support]}}\n'
    warnings = loaded(tmp_path, in_gateway("models: [openai/*]\n" + keys)).warnings
    assert any("one account for the keys app, lab" in warning for warning in warnings)


def test_a_version_may_be_a_plain_model(tmp_path: Path) -> None:
    """It needs no file, and is the same version as a file that says no more."""
    entry = "{stable: openai/gpt-4o, canary: openai/gpt-5, weight: 5%, rules: [{when: {}, use: v1}]}"
    files = {"routing.yaml": f"agents:\n  support: {entry}\n  gpt-4o: {{stable: openai/gpt-4o}}\n"}
    agents = loaded(tmp_path, files).agents
    assert list(agents["support"].versions) == ["openai/gpt-4o", "openai/gpt-5", "v1", "v2"]
    assert list(agents["gpt-4o"].versions) == ["openai/gpt-4o"]
    same = loaded(tmp_path, {"agents/support/v3.yaml": "model: openai/gpt-4o\n"}).agents["support"]
    assert same.versions["v3"].digest == agents["gpt-4o"].versions["openai/gpt-4o"].digest


def test_what_is_wrong_with_such_a_version(tmp_path: Path) -> None:
    """Its provider is not there, or the canary is the same model."""
    text = "agents:\n  support:\n    stable: opnai/gpt-4o\n    canary: openai/gpt 5\n    weight: 5%\n"
    assert problems(tmp_path, {"routing.yaml": text}) == [
        "routing.yaml:3: agents.support.stable: unknown provider 'opnai'; did you mean 'openai'? known: openai",
        "routing.yaml:4: agents.support.canary: write provider/model, such as openai/gpt-4o",
    ]
    text = "agents:\n  support:\n    stable: openai/gpt-4o\n    canary: v3\n    weight: 5%\n"
    assert problems(tmp_path, {"routing.yaml": text, "agents/support/v3.yaml": "model: openai/gpt-4o\n"}) == [
        "routing.yaml:4: agents.support.canary: v3 has the same content as openai/gpt-4o; change the canary first"
    ]
