"""What the container files show when they are read. No engine runs here, so building and starting them is unproven."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.architecture import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r".+:(\d+\.\d+\S*|local)$|.+@sha256:[0-9a-f]{64}$")
SECRET = re.compile(r"sk-[\w-]{16,}|(?i:password|secret|token|api_key)[ \t]*[:=][ \t]*[\"']?[\w-]{8,}")


def instructions(name: str) -> Iterator[str]:
    """The arguments of every instruction of that name, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", DOCKERFILE))
    return (line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(f"{name} "))


def test_every_copied_path_exists() -> None:
    """What the build copies from the checkout is in it, and the ignore file lets it in."""
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()}
    copied = [source for line in instructions("COPY") if "--from=" not in line for source in line.split()[:-1]]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists() or source not in allowed] == []


def test_the_demo_and_the_stand_in_stay_out_of_the_image() -> None:
    """Neither their code nor a library of theirs comes in: nobody rehearses with the gateway that serves."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored.index("gateway/rehearsal") > ignored.index("!gateway")  # the last line that fits decides
    assert "serinus-demo" not in DOCKERFILE
    assert not re.search(r"(?m)^(openai|rich)==", (ROOT / "requirements-image.lock").read_text("utf-8"))


def test_the_image_runs_as_a_numeric_user_that_is_not_root() -> None:
    """An orchestrator can check a numeric user id without reading the image's passwd file."""
    user, group = next(instructions("USER")).split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000


def test_nothing_is_copied_or_run_after_the_user_is_set() -> None:
    """The program's files belong to root, so the gateway cannot change itself; the data folder alone is its own."""
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nRUN " not in last_stage
    assert re.findall(r"COPY .*--chown=.*", last_stage) == [
        "COPY --from=build --chown=10001:10001 --chmod=0700 /data /data"
    ]


def test_what_was_seen_of_the_store_outlives_the_container() -> None:
    """The data folder is a volume, outside of the scratch space that ends with the container."""
    gateway, data = SERVICES["gateway"], re.search(r"SERINUS_DATA=(/\S+)", DOCKERFILE)
    assert data
    assert next(instructions("VOLUME")) == data[1]
    assert f"data:{data[1]}" in gateway["volumes"] and "data" in COMPOSE["volumes"]
    assert not any(data[1].startswith(scratch.partition(":")[0]) for scratch in gateway["tmpfs"])


def test_base_images_and_services_are_pinned() -> None:
    """No image is `latest` or only a major version."""
    bases = [line.split()[0] for line in instructions("FROM")]
    images = [service["image"] for service in SERVICES.values()]
    assert [image for image in bases + images if not PINNED.fullmatch(image)] == []


def test_every_install_in_the_image_is_checked_by_hash() -> None:
    """pip either checks hashes against a lock file or installs our own wheel without reaching out; nothing compiles."""
    installs = re.findall(r"pip(?: --python \S+)? install ([^&]*)", " ".join(instructions("RUN")))
    from_locks = [install for install in installs if "--no-deps --require-hashes --only-binary :all: -r" in install]
    ours = [install for install in installs if "--no-deps --no-index /dist/" in install]
    assert (len(from_locks), len(ours), len(installs)) == (2, 1, 3)


def test_the_image_holds_no_store_of_its_own() -> None:
    """The server of the embedded store is left out: a container's files do not outlive it."""
    assert "valkey" not in (ROOT / "requirements-image.lock").read_text("utf-8")
    assert "requirements.lock" not in DOCKERFILE


def test_the_health_checks_ask_the_gateway_without_curl() -> None:
    """Both files ask /healthz on the port that is listened on, with the Python that is there anyway."""
    checks = [next(instructions("HEALTHCHECK")), " ".join(SERVICES["gateway"]["healthcheck"]["test"])]
    port = re.search(r"SERINUS_LISTEN=0\.0\.0\.0:(\d+)", DOCKERFILE)
    assert port
    assert all(f"http://127.0.0.1:{port[1]}/healthz" in check and "curl" not in check for check in checks)


def test_the_health_check_is_a_program_that_fails_when_nobody_listens() -> None:
    """The command is valid Python: it raises where there is no gateway, which the engine reads as unhealthy."""
    code = SERVICES["gateway"]["healthcheck"]["test"][-1]
    assert code in DOCKERFILE
    compile(code, "healthcheck", "exec")


def test_every_service_is_hardened() -> None:
    """Read-only root, scratch space in memory, no capabilities, no way to gain any."""
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["tmpfs"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_store_keeps_what_it_is_told() -> None:
    """Append-only file on a volume, no eviction: a rollback must survive a restart."""
    store = SERVICES["store"]
    options = dict(zip(store["command"][1::2], store["command"][2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert store["volumes"] == ["store:/data"]
    assert "store" in COMPOSE["volumes"]


def test_only_the_gateway_is_published_and_only_on_loopback() -> None:
    """The store is reachable from the gateway alone."""
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert published == {"gateway": ["127.0.0.1:8080:8080"], "store": []}


def test_the_gateway_waits_for_a_healthy_store() -> None:
    """The gateway starts once the store answers, and finds it by the service's name."""
    gateway = SERVICES["gateway"]
    assert gateway["depends_on"] == {"store": {"condition": "service_healthy"}}
    assert "valkey-cli" in SERVICES["store"]["healthcheck"]["test"]
    assert gateway["environment"]["SERINUS_STORE"].startswith("redis://store:")


def test_the_configuration_is_mounted_read_only() -> None:
    """A gateway that is broken into cannot rewrite its own routing."""
    assert SERVICES["gateway"]["volumes"][:1] == ["./config:/config:ro"]
    assert "SERINUS_CONFIG=/config" in DOCKERFILE


def test_neither_file_holds_a_secret() -> None:
    """Keys and tokens are named without a value, so that they come from the environment."""
    environment = SERVICES["gateway"]["environment"]
    assert {value for name, value in environment.items() if name.endswith(("_KEY", "_TOKEN"))} == {None}
    assert not SECRET.search(DOCKERFILE + (ROOT / "compose.yaml").read_text("utf-8"))
