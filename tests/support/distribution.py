"""The wheels as a stranger gets them: built from the checkout, and installed into a fresh environment."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

from tests.architecture import ROOT

REHEARSAL = "gateway/rehearsal"


def build_wheel(source: Path, out: Path) -> Path:
    """Build the wheel of a folder with a pyproject.toml, by the pinned build backend."""
    run_program(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out), cwd=source)
    return next(out.glob("*.whl"))


def install_wheels(wheels: list[Path], home: Path) -> Path:
    """Install the wheels into a fresh environment, which borrows the dependencies of this one; its bin folder."""
    venv.create(home, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"))
    run_program(*pip, "install", "-q", "--no-deps", "--no-index", *map(str, wheels))
    own = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def install_everything(home: Path, dist: Path) -> Path:
    """Install both distributions, as `pip install 'serinus[demo]'` does; the bin folder."""
    wheels = [build_wheel(source, dist / name) for name, source in {"a": ROOT, "b": ROOT / REHEARSAL}.items()]
    return install_wheels(wheels, home)


def stranger_environment() -> dict[str, str]:
    """Ours, without what would point the installed program back at the checkout or at another configuration."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SERINUS_", "PYTHON", "COVERAGE_"))}


def run_program(*command: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Run a program that must succeed; its standard output."""
    surroundings = {**stranger_environment(), **(environ or {})}
    done = subprocess.run(command, cwd=cwd, env=surroundings, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
