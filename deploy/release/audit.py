"""Ask an index of advisories about every package that a lock pins, by pip-audit.

Exit code 1: an advisory names one of them. Exit code 0: none does, or no index could be asked, which is said. A build
does not fail because a network is away; whoever releases reads the last line.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements-image.lock", "requirements.lock", "requirements-dev.lock", "requirements-build.lock")
SECONDS = 300


def main(locks: list[str]) -> int:
    """Audit the locks, print what was found, and return the exit code."""
    found, asked, silent = [], set(), set()
    for lock in locks:
        report = _audit(ROOT / lock)
        if report is None:
            print(f"{lock}: NOT AUDITED, no index of advisories could be reached")
            silent.add(lock)
            continue
        for each in report["dependencies"]:
            (silent if "skip_reason" in each else asked).add(each["name"])
            found += [(lock, each["name"], each["version"], advisory) for advisory in each.get("vulns", ())]
    for lock, name, version, advisory in found:
        fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
        print(f"{lock}: {name} {version}: {advisory['id']}, fixed in {fixed}")
    print(_summary(len(found), len(asked), len(silent)))
    return 1 if found else 0


def _audit(lock: Path) -> dict | None:
    """Return pip-audit's report on a lock; None where it came to none, which a network that is away causes."""
    command = ["pip-audit", "-r", str(lock), "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        return None
    try:
        return json.loads(done.stdout)
    except ValueError:
        print(done.stderr.strip().rpartition("\n")[2])
        return None


def _summary(found: int, asked: int, silent: int) -> str:
    if not asked:
        return "NOT AUDITED: no index of advisories knows these packages, or none could be reached"
    left = f"; {silent} could not be asked about" if silent else ""
    return f"{found} advisories for {asked} packages{left}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(LOCKS)))
