"""Write the bill of materials of the image, `serinus.cdx.json`, in CycloneDX's format.

Packages, versions and who needs whom come from `requirements-image.lock`, licences from `docs/licences.md`. The same
files give the same bytes: there is no time and no random number in it.
"""

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / "requirements-image.lock").read_text("utf-8")
LICENCES = dict(re.findall(r"(?m)^\| ([\w.-]+) \| ([^|]+) \|", (ROOT / "docs/licences.md").read_text("utf-8")))
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "gateway/__init__.py").read_text("utf-8"))[1]
ENTRY = re.compile(r"(?m)^([\w.-]+)==(\S+).*\n(?:    --hash.*\n)*((?:    # .*\n)*)")
NAMESPACE = uuid.UUID("5f1f6b3e-0d5d-5c0e-9f5e-3a7f0f6f2c11")


def bill() -> str:
    """Return the bill as JSON, checked against CycloneDX's schema."""
    root = Component(name="serinus", version=VERSION, type=ComponentType.APPLICATION, bom_ref="serinus",
                     licenses=[LicenseExpression(PROJECT["license"])], description=PROJECT["description"])  # fmt: skip
    bom = Bom()
    bom.metadata.component = root
    parts = {"serinus": root}
    needed_by = {}
    for name, version, comments in ENTRY.findall(LOCK):
        parts[name] = Component(
            name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"{name}@{version}",
            purl=PackageURL("pypi", name=name, version=version), licenses=[LicenseExpression(LICENCES[name])],
        )  # fmt: skip
        bom.components.add(parts[name])
        needed_by[name] = {word for word in re.findall(r"[\w.-]+", comments) if word not in ("via", name)}
    for part in parts:
        bom.register_dependency(parts[part], [parts[name] for name in parts if part in needed_by.get(name, ())])
    written = json.loads(JsonV1Dot6(bom).output_as_string())
    del written["metadata"]["timestamp"]
    del written["serialNumber"]
    stable = json.dumps(written, sort_keys=True)
    written["serialNumber"] = f"urn:uuid:{uuid.uuid5(NAMESPACE, stable)}"
    text = json.dumps(written, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if (problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        sys.exit(f"the bill is not as CycloneDX wants it: {problem}")
    return text


if __name__ == "__main__":
    (ROOT / "serinus.cdx.json").write_text(bill(), encoding="utf-8")
