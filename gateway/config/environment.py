"""Environment variables in `gateway.yaml`: `${VARIABLE}` in secrets and URLs, and three overrides."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote

from gateway.config.nodes import Node, Path, dotted
from gateway.config.problems import Problem

Place = Literal["secret", "url", "other"]

_SECRETS: Final = (
    ("providers", "*", "api_key"),
    ("fingerprint_key",),
    ("escalation", "secret"),
    ("notify", "*", "secret"),
    ("notify", "*", "routing_key"),
)
_URLS: Final = (
    ("providers", "*", "base_url"),
    ("providers", "*", "proxy"),
    ("store",),
    ("escalation", "webhook"),
    ("notify", "*", "url"),
)
_PLACES: Final = "api_key, base_url, proxy, store, webhook, secret, routing_key, url and fingerprint_key"
_OVERRIDES: Final = {"SERINUS_LISTEN": "listen", "SERINUS_STORE": "store", "SERINUS_DATA": "data"}
_ADMIN_TOKEN: Final = "SERINUS_ADMIN_TOKEN"  # noqa: S105 - the variable's name
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BEGINNING: Final = re.compile("^" + _VARIABLE.pattern)
_BEFORE_SLASH: Final = re.compile(_VARIABLE.pattern + "(?=/)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_LOGIN: Final = re.compile(r"[a-z0-9+]+://[^/?#@]*@")  # up to the host: what holds variables is as it was written
_OPTION_VALUE: Final = re.compile(r"(?<==)\$\{([A-Za-z_][A-Za-z0-9_]*)\}(?=&|$)")
_USER_INFO: Final = re.compile(r"//[^/@]*@")
_WRITTEN_PASSWORD: Final = re.compile(r":(?!\$\{)[^@]")  # inside of a user info


class AnyEnvironment(Mapping[str, str]):
    """An environment in which every variable has some value, for a check where the real ones are not known."""

    def __getitem__(self, name: str) -> str:
        if name in _OVERRIDES or name == _ADMIN_TOKEN:
            raise KeyError(name)
        return "1"  # a host, a port, a password or a key, wherever it may stand

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Expanded:
    """The file with the environment in it. `written` is what stood in the places of secrets, for the digest."""

    root: Node
    problems: tuple[Problem, ...]
    written: Mapping[str, str]


def variables_in(written: str) -> list[str]:
    """Return the variables that a written value names."""
    return _VARIABLE.findall(written)


def expand(root: Node, environ: Mapping[str, str]) -> Expanded:
    """Put variables into their places and apply the overrides. A place with a problem keeps what is written."""
    expansion = _Expansion(environ)
    expansion.problems += _token_problems(environ)
    filled = expansion.fill(_overridden(root, environ), ())
    return Expanded(filled, tuple(expansion.problems), expansion.written)


def _token_problems(environ: Mapping[str, str]) -> Iterator[Problem]:
    if (complaint := _unclean(_ADMIN_TOKEN, environ.get(_ADMIN_TOKEN, ""))) is not None:
        yield _from_environment("", _ADMIN_TOKEN).problem(("admin_token_sha256",), complaint)


def _unclean(name: str, value: str) -> str | None:
    """Return what is wrong with a secret's form, such as a trailing line break. The value is not shown."""
    if value.strip() == value and not _CONTROLS.search(value):
        return None
    return (
        f"the environment variable {name} begins or ends with white space, or holds a control character, such as the "
        "line break at the end of a file: printf %s in place of echo writes none"
    )


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
    """A walk through the file, and the problems found on the way."""

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
        return replace(node, value=self._filled(str(node.value), path, place))

    def _filled(self, text: str, path: Path, place: Place) -> str:
        """The text with its variables. Where a URL has its user and password, and a store its options, each stands for
        exactly its value, and is quoted."""
        if isinstance(self._environ, AnyEnvironment) and place == "url":  # the beginning of an address is its scheme
            text = _BEGINNING.sub("redis://1" if path == ("store",) else "https://1", text)
        login = _LOGIN.match(text)
        end = login.end() if login is not None else 0
        login_text, rest = text[:end], text[end:]
        safe = "" if ":" in login_text[login_text.find("//") :] else ":"  # alone it may stand for user and password
        if path == ("store",):
            rest = _OPTION_VALUE.sub(lambda match: quote(self._environ[match[1]], safe=""), rest)
        if path[-1] == "base_url":  # many an address is copied with its slash: ${ENDPOINT}/v1
            rest = _BEFORE_SLASH.sub(lambda match: self._environ[match[1]].rstrip("/"), rest)
        return self._substituted(login_text, lambda value: quote(value, safe=safe)) + self._substituted(rest, str)

    def _substituted(self, text: str, spelled: Callable[[str], str]) -> str:
        return _VARIABLE.sub(lambda match: spelled(self._environ[match[1]]), text)

    def _complaints(self, text: str, path: Path, place: Place) -> list[str]:
        """Return the problems with the variables of this text. No message shows the text of a secret."""
        if place == "secret" and not _VARIABLE.fullmatch(text):
            return [f"a secret never stands in the file; write {_example(path)} and set that variable"]
        if place == "url" and any(map(_WRITTEN_PASSWORD.search, _USER_INFO.findall(text))):
            return ["a password never stands in the file; write ${VARIABLE} in its place"]
        if place == "other":
            return [f"variables are only for {_PLACES}"] if "${" in text else []
        if "${" in _VARIABLE.sub("", text):
            return ["write a variable as ${NAME}: letters, digits and _"]
        names = dict.fromkeys(_VARIABLE.findall(text))
        if absent := [self._absent(name) for name in names if not self._environ.get(name)]:
            return absent
        found = [_unclean(name, self._environ[name]) for name in names]
        return [complaint for complaint in found if complaint is not None]

    def _absent(self, name: str) -> str:
        what = "empty" if name in self._environ else "not set"
        return f"the environment variable {name} is {what}; export it, or write {name}=… into .env beside this file"


def _place(path: Path) -> Place:
    if any(_fits(path, pattern) for pattern in _SECRETS):
        return "secret"
    return "url" if any(_fits(path, pattern) for pattern in _URLS) else "other"


def _fits(path: Path, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(want in ("*", step) for want, step in zip(pattern, path, strict=True))


def _example(path: Path) -> str:
    named = next((step for step in reversed(path[:-1]) if isinstance(step, str)), "serinus")  # no place in a list
    owner = re.sub("[^A-Z0-9]", "_", named.upper())
    return f"${{{owner}_{str(path[-1]).upper()}}}"
