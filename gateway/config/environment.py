"""What the environment adds to `gateway.yaml`: `${VARIABLE}` where a secret or a URL stands, and three overrides."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from gateway.config.nodes import Node, Path, dotted
from gateway.config.problems import Problem

Place = Literal["secret", "url", "other"]

_SECRETS: Final = (("providers", "*", "api_key"), ("fingerprint_key",), ("escalation", "secret"))
_URLS: Final = (
    ("providers", "*", "base_url"),
    ("providers", "*", "proxy"),
    ("store",),
    ("escalation", "webhook"),
    ("notify", "*", "url"),
)
_PLACES: Final = "api_key, base_url, proxy, store, webhook, secret, url and fingerprint_key"
_OVERRIDES: Final = {"SERINUS_LISTEN": "listen", "SERINUS_STORE": "store"}
_ADMIN_TOKEN: Final = "SERINUS_ADMIN_TOKEN"  # noqa: S105 - the variable's name
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USER_INFO: Final = re.compile(r"//[^/@]*@")
_WRITTEN_PASSWORD: Final = re.compile(r":(?!\$\{)[^@]")  # inside of a user info


@dataclass(frozen=True, slots=True)
class Expanded:
    """The file with the environment in it. `written` is what stood in the places of secrets, for the digest."""

    root: Node
    problems: tuple[Problem, ...]
    written: Mapping[str, str]


def expand(root: Node, environ: Mapping[str, str]) -> Expanded:
    """Put variables into their places and apply the overrides. A place with a problem keeps what is written."""
    expansion = _Expansion(environ)
    filled = expansion.fill(_overridden(root, environ), ())
    return Expanded(filled, tuple(expansion.problems), expansion.written)


def _overridden(root: Node, environ: Mapping[str, str]) -> Node:
    """The overrides come before the file, so a value that they replace is not even looked at."""
    if not isinstance(root.value, Mapping):
        return root
    entries = dict(root.entries)
    for variable, key in _OVERRIDES.items():
        if value := environ.get(variable):
            entries[key] = _from_environment(value, variable)
    if token := environ.get(_ADMIN_TOKEN):
        entries["admin_token_sha256"] = _from_environment(hashlib.sha256(token.encode()).hexdigest(), _ADMIN_TOKEN)
    return replace(root, value=entries)


def _from_environment(value: str, variable: str) -> Node:
    return Node(value, f"environment variable {variable}", 0, 0)


class _Expansion:
    """One walk through the file, and what it finds on the way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.written: dict[str, str] = {}
        self._environ = environ

    def fill(self, node: Node, path: Path) -> Node:
        if isinstance(node.value, Mapping):
            return replace(node, value={key: self.fill(below, (*path, key)) for key, below in node.value.items()})
        if isinstance(node.value, tuple):
            return replace(node, value=tuple(self.fill(below, (*path, i)) for i, below in enumerate(node.value)))
        place = _place(path)
        if place != "other":
            self.written[dotted(path)] = _USER_INFO.sub("//", str(node.value))
        return self._scalar(node, path, place) if node.line and node.value is not None else node

    def _scalar(self, node: Node, path: Path, place: Place) -> Node:
        found = [node.problem(path, message) for message in self._complaints(str(node.value), path, place)]
        self.problems.extend(found)
        if found or place == "other":
            return node
        return replace(node, value=_VARIABLE.sub(lambda match: self._environ[match[1]], str(node.value)))

    def _complaints(self, text: str, path: Path, place: Place) -> list[str]:
        """What is wrong with the use of variables here. No message shows what is written in the place of a secret."""
        if place == "secret" and not _VARIABLE.fullmatch(text):
            return [f"a secret never stands in the file; write {_example(path)} and set that variable"]
        if place == "url" and any(map(_WRITTEN_PASSWORD.search, _USER_INFO.findall(text))):
            return ["a password never stands in the file; write ${VARIABLE} in its place"]
        if place == "other":
            return [f"variables are only for {_PLACES}"] if "${" in text else []
        if "${" in _VARIABLE.sub("", text):
            return ["write a variable as ${NAME}: letters, digits and _"]
        names = dict.fromkeys(_VARIABLE.findall(text))
        return [self._absent(name) for name in names if not self._environ.get(name)]

    def _absent(self, name: str) -> str:
        return f"the environment variable {name} is {'empty' if name in self._environ else 'not set'}"


def _place(path: Path) -> Place:
    if any(_fits(path, pattern) for pattern in _SECRETS):
        return "secret"
    return "url" if any(_fits(path, pattern) for pattern in _URLS) else "other"


def _fits(path: Path, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(want in ("*", step) for want, step in zip(pattern, path, strict=True))


def _example(path: Path) -> str:
    owner = re.sub("[^A-Z0-9]", "_", str(path[-2]).upper()) if len(path) > 1 else "SERINUS"
    return f"${{{owner}_{str(path[-1]).upper()}}}"
