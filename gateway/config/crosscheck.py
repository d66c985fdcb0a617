"""What no single value shows: how the values of a file, and the files, must fit together.

Works on nodes and passes over whatever has the wrong type, because that is somebody else's problem: so a typing error
in one place never hides what is wrong in another.
"""

import pathlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from gateway.config import fields, units
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted, unknown
from routing.agents import AgentVersion
from routing.chain import HUMAN, Target

_STANDARD_ONLY: Final = ("proxy", "http2")


@dataclass(frozen=True, slots=True)
class Known:
    """What names may refer to. None stands for what could not be read, so nothing can be said about it."""

    providers: Collection[str] | None
    agents: Collection[str] | None
    files: Mapping[str, Collection[str]]
    versions: Mapping[str, Mapping[str, AgentVersion]]


def gateway_problems(root: Node, known: Known, folder: pathlib.Path) -> Iterator[Problem]:
    """What does not fit together in `gateway.yaml`."""
    yield from _open_door(root)
    for name, provider in _entries(root, "providers"):
        yield from _provider_problems(name, provider, folder)
    yield from _key_problems(root, known.agents)
    yield from _price_problems(root, known.providers)
    yield from _retry_problems(root)
    yield from _webhook_problems(root)


def routing_problems(root: Node, known: Known) -> Iterator[Problem]:
    """What does not fit together in `routing.yaml`, and with the versions' files."""
    for agent, entry in _entries(root, "agents"):
        path = ("agents", agent)
        yield from _trial_problems(entry, path)
        yield from _version_problems(entry, path, known.files.get(agent, ()))
        yield from _same_content(entry, path, known.versions.get(agent, {}))
        yield from _fallback_problems(entry, path, known.providers)


def _entries(root: Node, key: str) -> Iterator[tuple[str, Node]]:
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


def _provider_problems(name: str, provider: Node, folder: pathlib.Path) -> Iterator[Problem]:
    transport = provider.get("transport")
    for key in _STANDARD_ONLY:
        node = provider.get(key)
        if node is not None and node.value and (transport is None or transport.value == "lean"):
            yield node.problem(("providers", name, key), "needs `transport: standard`; the lean one does not speak it")
    ca_file = provider.get("ca_file")
    if ca_file is not None and ca_file.text and not (folder / ca_file.text).is_file():
        yield ca_file.problem(("providers", name, "ca_file"), f"{quoted(ca_file.text)} is no file in {folder}")


def _key_problems(root: Node, agents: Collection[str] | None) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, key in _entries(root, "keys"):
        digest = key.get("sha256")
        if digest is not None and digest.text is not None:
            owner = owners.setdefault(digest.text.lower(), name)
            if owner != name:
                yield digest.problem(("keys", name, "sha256"), f"is also the key of {owner!r}; give each its own")
        allowed = key.get("agents")
        for index, agent in enumerate(allowed.items if allowed else ()):
            if agents is not None and agent.text is not None and agent.text not in agents:
                yield agent.problem(("keys", name, "agents", index), unknown("agent", agent.text, agents))


def _price_problems(root: Node, providers: Collection[str] | None) -> Iterator[Problem]:
    prices = root.get("prices")
    seen: set[tuple[object, object]] = set()
    for index, price in enumerate(prices.items if prices else ()):
        target, since = price.get("target"), price.get("from")
        if target is None or since is None:
            continue
        yield from _provider_known(target, ("prices", index, "target"), providers)
        if (target.value, since.value) in seen:
            yield price.problem(("prices", index), f"a second price of {quoted(target.value)} from {since.value} on")
        seen.add((target.text, since.text))


def _retry_problems(root: Node) -> Iterator[Problem]:
    base, cap = root.get("retries", "base"), root.get("retries", "cap")
    try:
        wrong = base is not None and cap is not None and units.seconds(base.value) > units.seconds(cap.value)
    except ValueError:
        return
    if wrong and cap is not None:
        yield cap.problem(("retries", "cap"), "is shorter than `base`; the wait starts at `base` and grows up to `cap`")


def _webhook_problems(root: Node) -> Iterator[Problem]:
    webhook, allowed = root.get("escalation", "webhook"), root.get("escalation", "allow_private_webhook")
    if webhook is None or webhook.text is None or (allowed is not None and allowed.value is True):
        return
    if is_private_url(webhook.text):
        message = "is a private address; set allow_private_webhook: true if the receiver really is in your own network"
        yield webhook.problem(("escalation", "webhook"), message)


def is_private_url(url: str) -> bool:
    """Whether the host is localhost or a literal address that is not public. Names are not looked up here."""
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


def _trial_problems(entry: Node, path: Path) -> Iterator[Problem]:
    stable, canary, weight = (_set(entry.get(key)) for key in ("stable", "canary", "weight"))
    if canary is not None and weight is None:
        yield canary.problem((*path, "canary"), "a canary needs its share; add `weight: 5%`")
    if weight is not None and canary is None:
        yield weight.problem((*path, "weight"), "a weight needs a canary; add `canary: <version>` or remove the weight")
    if canary is not None and stable is not None and canary.value == stable.value:
        yield canary.problem((*path, "canary"), f"{quoted(canary.value)} is stable too, so nothing would be on trial")


def _set(node: Node | None) -> Node | None:
    return node if node is not None and node.value is not None else None


def _version_problems(entry: Node, path: Path, files: Collection[str]) -> Iterator[Problem]:
    for key in ("stable", "canary"):
        yield from _version_known(entry.get(key), (*path, key), files)
    rules = entry.get("rules")
    for index, rule in enumerate(rules.items if rules else ()):
        yield from _version_known(rule.get("use"), (*path, "rules", index, "use"), files)


def _version_known(node: Node | None, path: Path, files: Collection[str]) -> Iterator[Problem]:
    if node is None or node.text is None or node.text in files:
        return
    hint = "" if files else f"; a version is a file, here agents/{path[1]}/{node.text}.yaml"
    yield node.problem(path, unknown("version", node.text, files) + hint)


def _same_content(entry: Node, path: Path, versions: Mapping[str, AgentVersion]) -> Iterator[Problem]:
    stable, canary = entry.get("stable"), entry.get("canary")
    if stable is None or canary is None or stable.value == canary.value:
        return
    trusted, tried = versions.get(stable.text or ""), versions.get(canary.text or "")
    if trusted is not None and tried is not None and trusted.digest == tried.digest:
        message = f"{tried.name} has the same content as {trusted.name}, so nothing would be on trial; change it first"
        yield canary.problem((*path, "canary"), message)


def _fallback_problems(entry: Node, path: Path, providers: Collection[str] | None) -> Iterator[Problem]:
    fallback = entry.get("fallback")
    items = fallback.items if fallback else ()
    for index, link in enumerate(items):
        here: Path = (*path, "fallback", index)
        if link.value == HUMAN and index < len(items) - 1:
            yield link.problem(here, "`human` must be the last link; nothing comes after a person")
        elif link.value in [earlier.value for earlier in items[:index]]:
            yield link.problem(here, f"{quoted(link.value)} is in the chain already")
        elif link.value != HUMAN:
            yield from _provider_known(link, here, providers)


def _provider_known(node: Node, path: Path, providers: Collection[str] | None) -> Iterator[Problem]:
    target = _target(node)
    if target is not None and providers is not None and target.provider not in providers:
        yield node.problem(path, unknown("provider", target.provider, providers))


def _target(node: Node) -> Target | None:
    try:
        return fields.target(node.value)
    except ValueError:
        return None
