import json
from pathlib import Path

import jsonschema
import pytest

from gateway.config import schemas, write_schemas
from gateway.config.strict_yaml import parse, read_yaml

PROJECT = Path(__file__).parents[3]
SHIPPED = sorted((PROJECT / "config").rglob("*.yaml"))


def schema_of(file: Path) -> str:
    return file.stem if file.parent == PROJECT / "config" else "agent"


@pytest.mark.parametrize("name", ["gateway", "routing", "agent"])
def test_the_shipped_schemas_are_fresh(tmp_path: Path, name: str) -> None:
    """What editors read is what the models say; `serinus schema` writes them anew."""
    write_schemas(tmp_path)
    shipped = PROJECT / "config" / "schema" / f"{name}.json"
    assert shipped.read_text(encoding="utf-8") == (tmp_path / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["gateway", "routing", "agent"])
def test_schemas_are_schemas(name: str) -> None:
    """They hold to their own dialect, and every key is explained."""
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    for part in (schema, *schema["$defs"].values()):
        for key, field in part.get("properties", {}).items():
            assert field.get("description") or "$ref" in field, key


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: str(file.relative_to(PROJECT)))
def test_the_shipped_files_hold_to_their_schema(file: Path) -> None:
    """And their first line leads an editor to it."""
    root = read_yaml(file, file.name).root
    assert root is not None
    jsonschema.Draft202012Validator(schemas()[schema_of(file)]).validate(root.plain())
    first = file.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / first).resolve() == PROJECT / "config" / "schema" / f"{schema_of(file)}.json"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gateway", "providers: {a: {api: openai}}\ntimeouts: {connect: 5}"),
        ("gateway", "providers: {a: {api: openai}}\nlimits: {body: 5}"),
        ("gateway", "providers: {a b: {api: openai}}"),
        ("gateway", "providers: {a: {api: openai, api_key: sk-1}}"),
        ("gateway", "providers: {a: {api: openai}}\nstore: mysql://x"),
        ("routing", "agents: {a: {stable: v1, canary: v2, weight: 5}}"),
        ("gateway", "providers: {a: {api: openai}}\nnotify: [{url: https://x/y, on: [rollback]}]"),
        ("gateway", "providers: {a: {api: openai}}\nnotify: [{format: slack}]"),
        ("routing", "agents: {a: {stable: v1, wieght: 5%}}"),
        ("routing", "agents: {a: {stable: v1, canary: v2, steps: [{weight: 5%}]}}"),
        ("routing", "agents: {a: {stable: v1, canary: v2, steps: [{weight: 0.00%, hold: 5m}]}}"),
        ("routing", "agents: {a: {stable: v1, guardrails: [errors <= 5%]}}"),
        ("routing", "agents: {a: {stable: v1, signals: [error_rate <= 5%]}}"),
        ("routing", "agents: {a: {stable: v1, rules: [{when: {grup: x}, use: v1}]}}"),
        ("agent", "model: x\ntemperature: 3"),
        ("agent", "model: x\ntools: [{nam: x}]"),
    ],
)
def test_editors_mark_mistakes(name: str, text: str) -> None:
    """What the loader refuses in one value, the schema refuses too."""
    root = parse(text, "f.yaml").root
    assert root is not None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schemas()[name]).validate(root.plain())


def test_defaults_are_shown_as_they_are_written() -> None:
    """An editor offers `5s`, not 5.0."""
    definitions = schemas()["gateway"]["$defs"]
    assert definitions["TimeoutSettings"]["properties"]["total"]["default"] == "10m"
    assert definitions["LimitSettings"]["properties"]["body"]["default"] == "32MB"
    assert definitions["Retries"]["properties"]["budget"]["default"] == "20%"
    assert schemas()["gateway"]["properties"]["listen"]["default"] == "127.0.0.1:8080"
    assert "*" not in json.dumps(schemas()["gateway"]["properties"]["store"]["default"])
