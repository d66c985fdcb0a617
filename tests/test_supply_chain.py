"""What a release is made of: the licences of all packages, the bill of materials, and builds that can be repeated."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from gateway import __version__
from tests.architecture import PACKAGES, ROOT

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "MIT", "MPL-2.0", "PSF-2.0"),
    "Zlib",
}
# What packages without an SPDX expression say, in a classifier or in words, and what that may stand for.
WORDS = {
    "Apache": {"Apache-2.0"},
    "BSD": {"BSD-2-Clause", "BSD-3-Clause"},
    "MIT": {"MIT"},
    "Mozilla": {"MPL-2.0"},
    "MPL": {"MPL-2.0"},
    "GPL": {"GPL"},
    "Affero": {"AGPL"},
}
BILL = ROOT / "serinus.cdx.json"
Licences = dict[str, tuple[str, str]]


def listed() -> Licences:
    """Licence and place of every package on the page."""
    page = (ROOT / "docs/licences.md").read_text("utf-8")
    return {
        name: (licence, place)
        for name, licence, place in re.findall(r"(?m)^\| ([\w.-]+) \| (.+) \| (image|installed|development) \|$", page)
    }


def pinned(lock: str) -> dict[str, str]:
    """Versions of the packages that a lock pins; of several for one package, the first."""
    found: dict[str, str] = {}
    for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8")):
        found.setdefault(name, version)
    return found


def faults(licences: Licences) -> Iterator[str]:
    """What is wrong with the licences of packages: one that is not allowed, or not what the package says."""
    for name, (expression, _) in licences.items():
        identifiers = set(re.split(r" AND | OR |[()]", expression)) - {""}
        if not identifiers <= ALLOWED:
            yield f"{name}: {', '.join(sorted(identifiers - ALLOWED))} is not allowed"
        if not fits(name, expression, identifiers):
            yield f"{name}: says another licence than {expression}"


def fits(name: str, expression: str, identifiers: set[str]) -> bool:
    """Whether an installed package says the same; True for one that this platform does not install."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return True
    if "License-Expression" in said:
        return said["License-Expression"] == expression
    classifiers = [each for each in said.get_all("Classifier") or () if each.startswith("License")]
    words = " ".join([*classifiers, said["License"][:200] if "License" in said else ""])
    meant = [ids for word, ids in WORDS.items() if word in words]
    return bool(meant) and all(ids & identifiers for ids in meant)


def test_the_page_lists_every_package_and_where_it_is() -> None:
    """Whoever asks what comes with Serinus, and under which licence, finds each package of the locks once."""
    image, installed = pinned("requirements-image.lock"), pinned("requirements.lock")
    places = {
        name: "image" if name in image else "installed" if name in installed else "development"
        for name in pinned("requirements-dev.lock")
    }
    assert {name: place for name, (_, place) in listed().items()} == places


def test_every_licence_is_allowed_and_is_what_the_package_says() -> None:
    """A new package with an unknown or a forbidden licence fails, and so does one that has changed its licence."""
    assert list(faults(listed())) == []


@pytest.mark.parametrize(
    ("name", "licence"), [("starlette", "GPL-3.0-only"), ("starlette", "MIT"), ("h11", "BSD-3-Clause"), ("new", "?")]
)
def test_a_wrong_licence_is_found(name: str, licence: str) -> None:
    """A licence that is not allowed is reported, and one that the package itself contradicts."""
    assert list(faults({name: (licence, "image")}))


def test_the_bill_of_materials_is_that_of_the_image() -> None:
    """The bill has the packages of the image's lock, with their licences and the graph; if not, run `make sbom`."""
    bill = json.loads(BILL.read_text("utf-8"))
    lock, parts = pinned("requirements-image.lock"), {each["name"]: each for each in bill["components"]}
    assert {name: part["version"] for name, part in parts.items()} == lock
    assert bill["metadata"]["component"]["version"] == __version__
    said = {name: part["licenses"][0]["expression"] for name, part in parts.items()}
    assert said == {name: licence for name, (licence, place) in listed().items() if place == "image"}
    graph = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    reached, left = set[str](), ["serinus"]
    while left:
        reached.add(ref := left.pop())
        left += [each for each in graph[ref] if each not in reached]
    assert reached == {"serinus", *(part["bom-ref"] for part in parts.values())}


FOUND = {"id": "CVE-2026-1", "fix_versions": ["9"]}
AUDITS = {
    json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [FOUND]}]}): (1, "a 1: CVE-2026-1, fixed in 9"),
    json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}): (0, "0 advisories for 1 packages"),
    json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]}): (0, "NOT AUDITED"),
    "Traceback: no route to host": (0, "NOT AUDITED"),
}


@pytest.mark.process
@pytest.mark.parametrize("report", AUDITS)
def test_an_audit_fails_for_an_advisory_and_not_for_the_network(tmp_path: Path, report: str) -> None:
    """`make audit` ends with 1 where an advisory names a package, and says so where nothing could be asked."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{report}\nEND\n")
    tool.chmod(0o755)
    command = [sys.executable, str(ROOT / "deploy/release/audit.py"), "requirements-build.lock"]
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50)
    code, words = AUDITS[report]
    assert (done.returncode, words in done.stdout) == (code, True), done.stdout


def copy_of_the_checkout(home: Path, umask: int) -> Path:
    """A copy of what builds use, as another person with another umask has it, made at another time."""
    for name in (*PACKAGES, "LICENSE", "README.md", "pyproject.toml", BILL.name):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, home / name, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile
            )
        else:
            shutil.copyfile(source, home / name)
    for path in home.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (10**9 + umask, 10**9 + umask))
    return home


def build(home: Path, umask: int, environ: dict[str, str]) -> dict[str, str]:
    """Build sdist and wheel by the pinned backend; the digest of each file by its name."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(home / "dist")]
    done = subprocess.run(
        command, cwd=home, env={**os.environ, **environ}, umask=umask, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (home / "dist").iterdir()}


@pytest.mark.process
def test_two_builds_are_equal_to_the_byte(tmp_path: Path) -> None:
    """Wheel and sdist do not depend on folder, umask, time zone, times of files, or the order of a folder."""
    digests = []
    for name, umask, zone in (("a", 0o022, "UTC"), ("another folder", 0o077, "Asia/Tokyo")):
        (tmp_path / name).mkdir()
        home = copy_of_the_checkout(tmp_path / name, umask)
        environ = {"SOURCE_DATE_EPOCH": "1700000000", "TZ": zone, "PYTHONHASHSEED": str(umask)}
        digests.append(build(home, umask, environ))
    assert digests[0] == digests[1]
    assert sorted(name.partition("-0")[2].partition(".")[2] for name in digests[0]) == [
        "1.0-py3-none-any.whl",
        "1.0.tar.gz",
    ]
    (wheel,) = (tmp_path / "a/dist").glob("*.whl")
    (bill,) = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/sboms/" in name]
    assert zipfile.ZipFile(wheel).read(bill) == BILL.read_bytes()
