"""The gateways: how each is configured, started and called. All of them run one worker and listen on 127.0.0.1."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gateway
from bench.gateways.install import CACHE, ENVOY, LITELLM, PORTKEY, ROOT, SERINUS

KEY = "sk-bench-0123456789abcdef"
CHAT = "/v1/chat/completions"
CONFIG = "config"  # Serinus's, within the folder of its log and its data: what it watches is not what it writes
_MANY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, and what goes with it. `path` is where streams go, if not where other calls go."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    model: str = "gpt-4o"
    path: str = CHAT
    stream_path: str = CHAT
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A gateway under test. `program` is the file without which it is not installed; `launch` takes its folder, its
    port and the upstream's."""

    name: str
    version: Callable[[], str]
    program: Path
    launch: Callable[[Path, int, int], Launch]

    @property
    def installed(self) -> bool:
        return self.program.exists()


def serinus(folder: Path, port: int, upstream: int) -> Launch:
    """Everything on: keys, a canary on trial at 5 %, sticky units, usage, cost, tallies in Redis, a log line a call."""
    routing = {"agents": {"bench": {"stable": "v1", "canary": "v2", "weight": "5%"}}}
    version = {"name": "bench", "model": "openai/gpt-4o", "system_prompt": "You are a helpful agent of Acme Corp."}
    config = folder / CONFIG
    (config / "agents" / "bench").mkdir(parents=True)
    _write(config / "gateway.yaml", settings(port, upstream) | {"data": str(folder / "data")})
    _write(config / "routing.yaml", routing)
    _write(config / "agents" / "bench" / "v1.yaml", version | {"temperature": 0.3})
    _write(config / "agents" / "bench" / "v2.yaml", {"extends": "v1", "temperature": 0.2})
    return Launch(
        [interpreter(), "-m", "gateway", "serve", "--config", str(config)],
        {"KEY": "sk-upstream"}, {"authorization": f"Bearer {KEY}"}, "bench", cwd=ROOT,
    )  # fmt: skip


def interpreter() -> str:
    """That of an environment with what Serinus needs and no more; where it is not installed, ours."""
    lean = SERINUS / "bin/python"
    return str(lean) if lean.exists() else sys.executable


def settings(port: int, upstream: int) -> dict[str, object]:
    """The deployment: one provider, one caller."""
    return {
        "listen": f"127.0.0.1:{port}",
        "providers": {"openai": {"api": "openai", "base_url": f"http://127.0.0.1:{upstream}/v1", "api_key": "${KEY}"}},
        "keys": {"bench": {"sha256": hashlib.sha256(KEY.encode()).hexdigest()}},
        "limits": {"in_flight": 4000},  # the default is what the stream test opens
    }


def nginx(folder: Path, port: int, upstream: int) -> Launch:
    """`proxy_pass` with upstream keep-alive, and no access log; streams through a location without buffering."""
    paths = "".join(f"{kind}_temp_path {kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    location = 'proxy_pass http://standin/; proxy_http_version 1.1; proxy_set_header Connection "";'
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid nginx.pid; error_log error.log warn;\n"
        f"events {{ worker_connections 16384; }}\n"
        f"http {{ access_log off; {paths} keepalive_requests {_MANY}; keepalive_timeout 300s;\n"
        f"upstream standin {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests {_MANY}; }}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096;\n"
        f"location / {{ {location} }}\nlocation /stream/ {{ {location} proxy_buffering off; }} }} }}\n"
    )
    command = [str(CACHE / "nginx/usr/sbin/nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    return Launch(command, stream_path="/stream" + CHAT)


def envoy(folder: Path, port: int, upstream: int) -> Launch:
    """One plain cluster, no access log; the circuit breaker's limits raised so that they do not bite."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": "standin", "timeout": "0s"}}
    manager = {
        "@type": _envoy_type("filters.network.http_connection_manager", "HttpConnectionManager"),
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": _envoy_type("filters.http.router", "Router")}},
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    limits = {"max_connections": 16384, "max_pending_requests": 16384, "max_requests": 16384}
    endpoint = {"lb_endpoints": [{"endpoint": _envoy_address(upstream)}]}
    cluster = {
        "name": "standin", "type": "STATIC", "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": "standin", "endpoints": [endpoint]},
    }  # fmt: skip
    listener = {"name": "bench", **_envoy_address(port), "filter_chains": [{"filters": filters}]}
    _write(folder / "envoy.json", {"static_resources": {"listeners": [listener], "clusters": [cluster]}})
    program = str(CACHE / "envoy/bin/envoy")
    return Launch([program, "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "-l", "error"])


def litellm(folder: Path, port: int, upstream: int) -> Launch:
    """The proxy with a master key and one model, no database, no log of calls."""
    parameters = {"model": "openai/gpt-4o", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-upstream"}
    _write(folder / "config.yaml", {
        "model_list": [{"model_name": "gpt-4o", "litellm_params": parameters}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False},
    })  # fmt: skip
    program = str(CACHE / "litellm/bin/litellm")
    command = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    return Launch(command, environment, {"authorization": f"Bearer {KEY}"})


def portkey(folder: Path, port: int, upstream: int) -> Launch:
    """The gateway without its console; it asks for no key of its own, and is told the upstream by headers."""
    program = CACHE / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    headers = {
        "authorization": "Bearer sk-upstream",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
    }
    return Launch(["node", str(program), "--headless", f"--port={port}"], {"NODE_ENV": "production"}, headers)


PEERS = (
    Peer("Serinus", lambda: gateway.__version__, Path(sys.executable), serinus),
    Peer("nginx proxy_pass", lambda: _nginx_version(), CACHE / "nginx/usr/sbin/nginx", nginx),
    Peer("Envoy", lambda: ENVOY, CACHE / "envoy/bin/envoy", envoy),
    Peer("Portkey", lambda: PORTKEY, CACHE / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js", portkey),
    Peer("LiteLLM", lambda: LITELLM, CACHE / "litellm/bin/litellm", litellm),
)


def _nginx_version() -> str:
    said = subprocess.run([CACHE / "nginx/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=False).stderr
    return said.partition("/")[2].split()[0] if "/" in said else "unknown"


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))  # YAML contains JSON


def _envoy_type(extension: str, name: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{extension}.v3.{name}"


def _envoy_address(port: int) -> dict[str, object]:
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
