"""What Helm makes of the chart and a file of values."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.architecture import ROOT

CHART = ROOT / "deploy" / "helm" / "serinus"
HELM = ROOT / ".venv-helm" / "bin" / "helm"
VALUES = tuple(sorted((CHART / "ci").glob("*.yaml")))
Rendered = dict[str, Any]


class Refused(Exception):
    """Helm refuses the values; the text is what it says."""


def helm(*arguments: str | Path) -> str:
    """Return what Helm prints. Raises Refused."""
    done = subprocess.run([HELM, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def text(values: Path, *settings: str) -> str:
    """Return the objects of a release named `gw`, as text."""
    return helm("template", "gw", CHART, "--namespace", "serving", "--values", values, *_set(settings))


def rendered(values: Path, *settings: str) -> dict[str, Rendered]:
    """Return the same by kind and name, such as `Service/gw-serinus`."""
    found = filter(None, yaml.safe_load_all(text(values, *settings)))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def _set(settings: Sequence[str]) -> list[str]:
    return [part for setting in settings for part in ("--set-json", setting)]
