"""A configuration folder that is well, and what is wrong with one in which a test has replaced a file."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config import ConfigProblems, Deployment, load

ENVIRON = {"OPENAI_API_KEY": "sk-open-planted", "OTHER": "other-planted"}

GATEWAY = """\
providers:
  openai: {api: openai, api_key: "${OPENAI_API_KEY}"}
"""
ROUTING = """\
agents:
  support:
    stable: v1
    canary: v2
    weight: 5%
"""
STEPS = """\
agents:
  support:
    stable: v1
    canary: v2
    steps:
      - {weight: 5%, hold: 10m, min_requests: 1000}
      - {weight: 25%, hold: 20m}
      - {weight: 100%, hold: 60m, approval: required}
"""
V1 = """\
model: openai/gpt-4o-like
temperature: 0.3
system_prompt: Be kind.
"""
FILES = {
    "gateway.yaml": GATEWAY,
    "routing.yaml": ROUTING,
    "agents/support/v1.yaml": V1,
    "agents/support/v2.yaml": "extends: v1\ntemperature: 0.2\n",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files with their folders; returns `folder`."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def loaded(folder: Path, files: Mapping[str, str] | None = None, environ: Mapping[str, str] = ENVIRON) -> Deployment:
    """The good folder with some files replaced, loaded."""
    return load(write(folder, {**FILES, **(files or {})}), environ)


def problems(folder: Path, files: Mapping[str, str], environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """What is wrong with the good folder once some files are replaced, without the folder's own path."""
    with pytest.raises(ConfigProblems) as caught:
        loaded(folder, files, environ)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]
