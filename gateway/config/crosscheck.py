"""Checks across values: how the values of `gateway.yaml`, and the files, must fit together.

Works on nodes and passes over whatever has the wrong type, because that is somebody else's problem: so a typing error
in one place never hides what is wrong in another.
"""

import importlib.util
import pathlib
import ssl
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from gateway.config import fields, quantities
from gateway.config.limit_settings import limit_problems
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted, unknown
from gateway.formats.registry import PROVIDERS
from routing.agents import AgentVersion
from routing.chain import Target
from routing.models import ModelPattern

_STANDARD_ONLY: Final = ("proxy", "http2")


class KnownCaller(NamedTuple):
    """A caller by its key: name, group, and the agents that it may call, None for all of them."""

    name: str
    group: str
    agents: Collection[str] | None


ANYBODY = KnownCaller("open", "default", None)  # every caller, where no keys are configured


@dataclass(frozen=True, slots=True)
class Known:
    """Names that a reference may use. None where they could not be read, so that nothing is reported.

    `has_people` says whether somebody hears of a conversation that goes to `human`; `models` are passed on; `callers`
    are those whose calls rules may see; `total_seconds` is the gateway's limit of a whole call.
    """

    providers: Collection[str] | None
    agents: Collection[str] | None
    files: Mapping[str, Collection[str]]
    versions: Mapping[str, Mapping[str, AgentVersion]]
    has_people: bool | None = None
    models: tuple[ModelPattern, ...] | None = None
    callers: Collection[KnownCaller] | None = None
    total_seconds: float | None = None


def gateway_problems(root: Node, known: Known, folder: pathlib.Path) -> Iterator[Problem]:
    """Return the contradictions within `gateway.yaml`."""
    yield from _open_door(root)
    yield from _store_problems(root)
    for name, provider in entries(root, "providers"):
        yield from _provider_problems(name, provider, folder)
    yield from _key_problems(root, known.agents)
    yield from _group_problems(root)
    yield from limit_problems(root.get("end_users", "limits"), ("end_users", "limits"))
    yield from _price_problems(root, known.providers)
    yield from _retirement_problems(root, known.providers)
    yield from _retry_problems(root)
    yield from _receiver_problems(root, known.agents)
    yield from _webhook_problems(root)


def entries(root: Node, key: str) -> Iterator[tuple[str, Node]]:
    """The entries of the mapping below a key; none where there is none."""
    node = root.get(key)
    yield from node.entries.items() if node is not None else ()


def _open_door(root: Node) -> Iterator[Problem]:
    listen, keys = root.get("listen"), root.get("keys")
    if listen is None or (keys is not None and keys.entries):
        return
    try:
        address = fields.address(listen.value)
    except ValueError:
        return
    if not address.is_loopback:
        message = f"{address} is open to other machines, so `keys` must say who may call; or listen on 127.0.0.1"
        yield listen.problem(("listen",), message)


def _store_problems(root: Node, bundle: str = fields.BUNDLE) -> Iterator[Problem]:
    """Return the problem of an embedded store, which is the default, without a server to run."""
    store, binary = root.get("store"), root.get("store_binary")
    is_embedded = store is None or store.value is None or store.value == fields.EMBEDDED
    if is_embedded and (binary is None or binary.value is None) and not _installed(bundle):
        message = f"the embedded store is not installed: {fields.INSTALL_EMBEDDED}; or name yours: redis://host:6379/0"
        yield (root if store is None else store).problem(("store",), message)


def _provider_problems(name: str, provider: Node, folder: pathlib.Path) -> Iterator[Problem]:
    transport = provider.get("transport")
    for key in _STANDARD_ONLY:
        node = provider.get(key)
        if node is not None and node.value and (transport is None or transport.value == "lean"):
            yield node.problem(
                ("providers", name, key), "needs `transport: standard`; the lean transport does not support it"
            )
    yield from _region_problems(name, provider)
    yield from _package_problems(name, provider)
    ca_file = provider.get("ca_file")
    if ca_file is not None and ca_file.text and (fault := _ca_fault(folder, ca_file.text)):
        yield ca_file.problem(("providers", name, "ca_file"), f"{quoted(ca_file.text)} {fault}")


def _region_problems(name: str, provider: Node) -> Iterator[Problem]:
    api, region = provider.get("api"), provider.get("region")
    side = PROVIDERS.get(api.text) if api is not None and api.text is not None else None
    if side is not None and side.facts.needs_region and region is None:
        yield provider.problem(("providers", name), f"`api: {side.name}` needs a `region`, such as eu-central-1")
    if region is not None and (side is None or not side.facts.needs_region):
        regional = " and ".join(f"`api: {each.name}`" for each in PROVIDERS.values() if each.facts.needs_region)
        yield region.problem(("providers", name, "region"), f"is for {regional} alone")
    signing = None if side is None or provider.get("api_key") is not None else side.facts.signing
    if signing is not None and not _installed(signing.package):
        hint = f"signing needs {signing.package}: pip install 'serinus[{signing.extra}]', or an api_key"
        yield provider.problem(("providers", name), hint)


def _package_problems(name: str, provider: Node) -> Iterator[Problem]:
    """Return the options of the standard transport whose package is not installed."""
    http2, proxy = provider.get("http2"), provider.get("proxy")
    if http2 is not None and http2.value is True and not _installed("h2"):
        yield http2.problem(("providers", name, "http2"), "needs the package h2: pip install h2, or leave http2 out")
    if proxy is not None and (proxy.text or "").startswith("socks5://") and not _installed("socksio"):
        message = "a SOCKS proxy needs the package socksio: pip install socksio, or name an http:// proxy"
        yield proxy.problem(("providers", name, "proxy"), message)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _ca_fault(folder: pathlib.Path, written: str) -> str:
    """Return why the file holds no usable authority; empty when it holds one."""
    file = folder / written
    if not file.is_file():
        return f"is no file in {folder}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        return "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _key_problems(root: Node, agents: Collection[str] | None) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, key in entries(root, "keys"):
        yield from _digest_problems(name, key, owners)
        for member in ("agents", "reviews"):
            yield from _agents_known(key, ("keys", name, member), agents)
        yield from limit_problems(key.get("limits"), ("keys", name, "limits"))


def _digest_problems(name: str, key: Node, owners: dict[str, str]) -> Iterator[Problem]:
    """Return what is wrong with a caller's digests; `owners` are those of the callers before."""
    one, several = key.get("sha256"), key.get("sha256s")
    paths: list[tuple[Path, Node]] = [(("keys", name, "sha256"), one)] if one is not None else []
    paths += [(("keys", name, "sha256s", index), each) for index, each in enumerate(several.items if several else ())]
    if not paths and isinstance(key.value, Mapping):
        yield key.problem(("keys", name, "sha256"), "is missing; write it, or `sha256s` while a key is rotated")
    for path, digest in paths:
        if digest.text is None:
            continue
        owner = owners.setdefault(digest.text.lower(), name)
        if owner != name:
            yield digest.problem(path, f"is also the key of {owner!r}; give each its own")


def _group_problems(root: Node) -> Iterator[Problem]:
    used = {"default", *(group.text for _, key in entries(root, "keys") if (group := key.get("group")) and group.text)}
    for name, group in entries(root, "groups"):
        if name not in used:
            yield group.problem(("groups", name), unknown("group", name, used))
        yield from limit_problems(group.get("limits"), ("groups", name, "limits"))


def _agents_known(owner: Node, path: Path, agents: Collection[str] | None) -> Iterator[Problem]:
    named = owner.get(str(path[-1]))
    for index, agent in enumerate(named.items if named else ()):
        if agents is not None and agent.text is not None and agent.text not in agents:
            yield agent.problem((*path, index), unknown("agent", agent.text, agents))


def _receiver_problems(root: Node, agents: Collection[str] | None) -> Iterator[Problem]:
    receivers = root.get("notify")
    for index, receiver in enumerate(receivers.items if receivers else ()):
        path: Path = ("notify", index)
        yield from _agents_known(receiver, (*path, "agents"), agents)
        yield from _private_problems(receiver, path, "url", "allow_private")


def _price_problems(root: Node, providers: Collection[str] | None) -> Iterator[Problem]:
    prices = root.get("prices")
    seen: set[tuple[object, object, object]] = set()
    for index, price in enumerate(prices.items if prices else ()):
        target, since = price.get("target"), price.get("from")
        if target is None or since is None:
            continue
        yield from provider_known(target, ("prices", index, "target"), providers)
        tier = price.get("service_tier")
        key = (target.value, since.value, tier.value if tier is not None else None)
        if key in seen:
            yield price.problem(("prices", index), f"a second price of {quoted(target.value)} from {since.value} on")
        seen.add(key)


def _retirement_problems(root: Node, providers: Collection[str] | None) -> Iterator[Problem]:
    retirements = root.get("retirements")
    seen: set[object] = set()
    for index, retirement in enumerate(retirements.items if retirements else ()):
        target = retirement.get("target")
        if target is None:
            continue
        yield from provider_known(target, ("retirements", index, "target"), providers)
        if target.value in seen:
            yield retirement.problem(("retirements", index), f"a second retirement of {quoted(target.value)}")
        seen.add(target.value)


def _retry_problems(root: Node) -> Iterator[Problem]:
    base, cap = root.get("retries", "base"), root.get("retries", "cap")
    try:
        wrong = base is not None and cap is not None and quantities.seconds(base.value) > quantities.seconds(cap.value)
    except ValueError:
        return
    if wrong and cap is not None:
        yield cap.problem(("retries", "cap"), "is shorter than `base`; the wait starts at `base` and grows up to `cap`")


def _webhook_problems(root: Node) -> Iterator[Problem]:
    escalation = root.get("escalation")
    if escalation is not None:
        yield from _private_problems(escalation, ("escalation",), "webhook", "allow_private_webhook")


def _private_problems(owner: Node, path: Path, key: str, permission: str) -> Iterator[Problem]:
    url, allowed = owner.get(key), owner.get(permission)
    if url is None or url.text is None or (allowed is not None and allowed.value is True):
        return
    if is_private_url(url.text):
        message = f"is a private address; set {permission}: true if the receiver really is in your own network"
        yield url.problem((*path, key), message)


def is_private_url(url: str) -> bool:
    """Return whether the host is localhost or a literal address that is not public. Names are not looked up."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith((".localhost", ".internal", ".local")):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def provider_known(node: Node, path: Path, providers: Collection[str] | None) -> Iterator[Problem]:
    """The problem with a target of a provider that is not configured, if it is one."""
    target = _target(node)
    if target is not None and providers is not None and target.provider not in providers:
        yield node.problem(path, unknown("provider", target.provider, providers))


def _target(node: Node) -> Target | None:
    try:
        return fields.target(node.value)
    except ValueError:
        return None
