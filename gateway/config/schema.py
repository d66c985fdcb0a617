"""The JSON schemas of the three files, made from their models, so that editors can complete and check."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.config import quantities
from gateway.config.agent_file import AgentFile
from gateway.config.fields import StrictModel
from gateway.config.gateway_file import GatewaySettings
from gateway.config.routing_file import RoutingFile

_MODELS: Final[Mapping[str, type[StrictModel]]] = {
    "gateway": GatewaySettings,
    "routing": RoutingFile,
    "agent": AgentFile,
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Json = dict[str, Any]  # a JSON schema has no narrower type

# A default is resolved in the model but must be shown as it would be written.
_WRITTEN: Final[Mapping[str, Callable[[Any], str]]] = {
    quantities.DURATION_PATTERN: quantities.show_seconds,
    quantities.SIZE_PATTERN: quantities.show_size,
    quantities.PERCENT_PATTERN: lambda share: quantities.show_percent(round(share * quantities.BASIS_POINTS)),
}


def schemas() -> dict[str, Json]:
    """The schemas of `gateway.yaml`, `routing.yaml` and a version's file, as `gateway`, `routing` and `agent`."""
    return {name: schema_of(model) for name, model in _MODELS.items()}


def schema_of(model: type[StrictModel]) -> Json:
    """The schema of a file that has this model."""
    return {"$schema": _DIALECT, **_tidied(model.model_json_schema())}


def write_schemas(folder: Path, others: Mapping[str, type[StrictModel]] | None = None) -> None:
    """Write `<name>.json` for each schema into `folder`, and those of other models by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in {**_MODELS, **(others or {})}.items():
        (folder / f"{name}.json").write_text(render(schema_of(model)), encoding="utf-8")


def render(schema: Json) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _tidied(value: Any) -> Any:
    """Defaults as they are written, no invented titles, and no other names than those that match."""
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidy = {key: _tidied(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    if "default" in tidy:
        tidy["default"] = _default(tidy)
        if tidy["default"] is None:
            del tidy["default"]
    return tidy


def _default(schema: Json) -> Any:
    default = schema["default"]
    if isinstance(default, int | float) and (show := _WRITTEN.get(schema.get("pattern", ""))):
        return show(default)
    return default
