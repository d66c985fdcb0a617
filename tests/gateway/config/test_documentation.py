import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from gateway.config import check, schemas
from gateway.config.gateway_file import GatewaySettings
from gateway.config.strict_yaml import parse
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from policies.guardrails.metrics import METRICS
from policies.rollout.state import Action
from routing.agents import Shadow
from tests.gateway.config.folders import ENVIRON, FILES, GATEWAY, loaded, write

MANUAL = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")


def keys() -> Iterator[str]:
    for schema in schemas().values():
        for part in (schema, *schema["$defs"].values()):
            yield from part.get("properties", {})


@pytest.mark.parametrize("key", sorted(set(keys())))
def test_every_key_is_in_the_manual(key: str) -> None:
    """A key that nobody can read about does not exist."""
    assert f"`{key}`" in MANUAL


def test_every_default_is_in_the_manual() -> None:
    """The row of a key says what it is when nothing is written."""
    for section, definition in schemas()["gateway"]["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            if isinstance(default := field.get("default"), str | int) and key != "message":
                shown = str(default).lower() if isinstance(default, bool) else str(default)
                assert re.search(rf"\| `{key}` \| `{re.escape(shown)}` \|", MANUAL), (section, key, shown)


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL))
def test_examples_are_yaml(block: str) -> None:
    """Each example can be copied into a file."""
    parsed = parse(block, "example")
    assert all(problem.message == "the file is empty" for problem in parsed.problems), parsed.problems


def test_the_classic_example_loads(tmp_path: Path) -> None:
    """The version shown in the manual is a version."""
    example = re.search(r"```yaml\n(name: customer-support-agent.*?)```", MANUAL, re.DOTALL)
    assert example is not None
    write(tmp_path, {**FILES, "agents/support/v1.yaml": example[1]})
    assert check(tmp_path, ENVIRON)[0] == 0


def test_the_steps_of_the_manual_load(tmp_path: Path) -> None:
    """The example that shows everything there is to say is a rollout, with the guardrails that are the default."""
    example = re.search(r"```yaml\n(agents:\n  order-desk:.*?)```", MANUAL, re.DOTALL)
    assert example is not None
    versions = {f"agents/order-desk/{name}.yaml": f"model: openai/{name}" for name in ("v7", "v8", "v9")}
    routing = example[1].replace("anthropic/", "openai/")
    gateway = f"{GATEWAY}keys: {{app: {{sha256: '{'0' * 64}', group: internal}}}}\n"
    agent = loaded(tmp_path, {"routing.yaml": routing, "gateway.yaml": gateway, **versions}).agents["order-desk"]
    assert [(step.weight, step.hold, step.approval) for step in agent.steps] == [
        (500, 600.0, False),
        (2500, 1200.0, False),
        (5000, 1800.0, True),
        (10_000, 3600.0, False),
    ]
    assert agent.guardrails == DEFAULT_GUARDRAILS
    assert agent.signals == ("ttft_p90 <= stable * 1.10",)
    assert agent.shadow == Shadow("v9", 1000)


@pytest.mark.parametrize("word", [*get_args(Action), *METRICS])
def test_every_action_and_metric_is_in_the_manual(word: str) -> None:
    """What may stand in a list is listed, percentiles in short."""
    assert f"`{re.sub('_p[0-9]+$', '_pXX', word)}`" in MANUAL


def test_every_field_says_its_default() -> None:
    """What is optional says in its description what happens without it."""
    for name, field in GatewaySettings.model_fields.items():
        described = field.description or ""
        assert field.is_required() or "Default" in described or field.default_factory is not None, name
