"""A copy of a configuration in which the stand-in is every provider, and nobody outside is told anything."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config.presets import PRESETS
from gateway.config.strict_yaml import read_yaml
from gateway.formats.registry import PROVIDERS

_KEY = "STAND_IN_KEY"
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
# What reaches people or other machines, or is the environment's: none of it is for a test.
_DROPPED: Final = ("notify", "alerts", "listen", "store", "data", "admin_token_sha256", "metrics_token_sha256")
_MADE_UP: Final = "made-up"
_AWS: Final = {"AWS_ACCESS_KEY_ID": _MADE_UP, "AWS_SECRET_ACCESS_KEY": _MADE_UP}  # with which Bedrock is signed

_ANY: Final = next(iter(PRESETS))
_PLAIN: Final[Mapping[str, object]] = {
    "gateway.yaml": {"providers": {_ANY: {}}},
    "routing.yaml": {"agents": {"assistant": {"stable": "v1"}}},
    "agents/assistant/v1.yaml": {"model": f"{_ANY}/stable-model", "system_prompt": "You are a helpful assistant."},
    "agents/assistant/v2.yaml": {"model": f"{_ANY}/canary-model", "system_prompt": "You are a helpful assistant."},
}


def copy_configuration(source: Path | None, folder: Path, provider_url: str) -> dict[str, str]:
    """Write the copy into `folder`, and return the environment that it needs.

    Without a `source` it has an agent `assistant` with the versions v1, the stable one, and v2. Every variable that the
    files name gets a made-up value: no real key is read. Raises OSError.
    """
    if source is None:
        for name, content in _PLAIN.items():
            write_json(folder / name, content)
    else:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".env", ".git", ".serinus"))
    settings = read_plain(folder / "gateway.yaml")
    settings = {name: value for name, value in settings.items() if name not in _DROPPED}
    named = _VARIABLE.findall(json.dumps(settings))
    settings["providers"] = {
        name: _stood_in_for(name, provider or {}, provider_url)
        for name, provider in (settings.get("providers") or {}).items()
    }
    if keys := settings.get("keys"):
        settings["keys"] = {name: _made_up_key(name, caller) for name, caller in keys.items()}
    write_json(folder / "gateway.yaml", settings)
    return {**_AWS, **{name: _MADE_UP for name in (*named, _KEY)}}


def key_of(caller: str) -> str:
    """Return the key with which a test calls as that caller."""
    return f"key-of-{caller}"


def read_plain(path: Path) -> dict[str, Any]:
    """Return a file of YAML as values; {} where it is none that the gateway would take."""
    root = read_yaml(path, str(path)).root
    found = root.plain() if root is not None else {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, value: object) -> None:
    """Write a value as a file of YAML, which JSON is, in one move: the gateway never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(value, indent=2, ensure_ascii=False), "utf-8")
    beside.rename(path)


def _made_up_key(name: str, caller: Mapping[str, Any]) -> dict[str, Any]:
    """Return a caller as it was, with a key that tests know."""
    kept = {member: value for member, value in caller.items() if member not in ("sha256", "sha256s", "expires")}
    return {**kept, "sha256": hashlib.sha256(key_of(name).encode()).hexdigest()}


def _stood_in_for(name: str, provider: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return the provider at the stand-in's address, in its own wire format, with a made-up key."""
    preset = PRESETS.get(str(provider.get("preset", name)))
    api = provider.get("api") or (preset.api if preset else "")
    facts = PROVIDERS[api].facts if api in PROVIDERS else None
    kept = {key: value for key, value in provider.items() if key in ("api", "preset", "region", "http2")}
    base = urlsplit(facts.base_url).path if facts is not None else ""
    return {
        **kept,
        "base_url": url + base,
        **({} if facts is not None and facts.needs_region else {"api_key": f"${{{_KEY}}}"}),
    }
