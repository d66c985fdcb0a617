"""Ask the package index whether every pinned package has a wheel for each Python and system that is supported.

    python deploy/release/wheels.py

uv resolves the locks as each of them would, downloads nothing and builds nothing. Exit code 1: a wheel is missing.
"""

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-image.lock")
SYSTEMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")


def main() -> int:
    """Print a line for each Python and system, and return the exit code."""
    pythons = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    missing = 0
    for python, system in product(pythons, SYSTEMS):
        said = _missing(python, system)
        missing += bool(said)
        print(f"{python} {system}: {said or 'a wheel of every package'}")
    return 1 if missing else 0


def _missing(python: str, system: str) -> str:
    """Return what uv says of the packages without a wheel; '' where none is missing."""
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--dry-run", "--no-config", "--no-deps"]
    asked = ["--only-binary", ":all:", "--python-version", python, "--python-platform", system]
    command = [*uv, "--target", "/nonexistent", *asked]
    done = [subprocess.run([*command, "-r", str(ROOT / lock)], capture_output=True, text=True) for lock in LOCKS]  # noqa: S603
    return "; ".join(each.stderr.strip() for each in done if each.returncode)


if __name__ == "__main__":
    sys.exit(main())
