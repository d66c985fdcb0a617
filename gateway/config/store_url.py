"""URLs of stores: read once, by `serinus check` as by whoever dials. No message shows any part of one.

What stands where a name or an option is expected may be the rest of a password that was not encoded.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
EXAMPLES: Final = (
    "redis://host:6379/0, rediss://…, unix:///path/to/socket, redis+sentinel://host:26379/master or "
    "redis+cluster://host:6379"
)
AWS_IAM: Final = "aws-iam"

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_ENCODE: Final = (
    "a password's / ? # [ ] @ % and spaces are written percent-encoded, unless a ${VARIABLE} holds it alone"
)
_TLS_OPTIONS: Final = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
_ANYWHERE: Final = {"password_file", "password_command", "prefix"}
_IAM_OPTIONS: Final = {"auth", "aws_cache", "aws_region", "aws_service", "aws_serverless"}
_SENTINEL_OPTIONS: Final = {"sentinel_username", "sentinel_password"}
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "redis": frozenset({"db"} | _ANYWHERE),
    "rediss": frozenset({"db"} | _ANYWHERE | _TLS_OPTIONS | _IAM_OPTIONS),
    "unix": frozenset({"db"} | _ANYWHERE),
    "redis+sentinel": frozenset(_SENTINEL_OPTIONS | _ANYWHERE),
    "rediss+sentinel": frozenset(_SENTINEL_OPTIONS | _ANYWHERE | _TLS_OPTIONS),
    "redis+cluster": frozenset(_ANYWHERE),
    "rediss+cluster": frozenset(_ANYWHERE | _TLS_OPTIONS | _IAM_OPTIONS),
}
_TRUE: Final = {"true", "yes", "1"}
_YES_NO: Final = frozenset(_TRUE | {"false", "no", "0"})
_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "ssl_cert_reqs": frozenset({"none", "optional", "required"}),
    "ssl_check_hostname": _YES_NO,
    "auth": frozenset({AWS_IAM}),
    "aws_service": frozenset({"elasticache", "memorydb"}),
    "aws_serverless": _YES_NO,
}
_SHAPE: Final = re.compile(r"([a-z+]+)://(?:([^/?#\[\]\\]*)@)?([^/?#@\\]*)([^?#@]*)(?:\?([^#@]*))?")
_PRINTABLE: Final = re.compile(r"[!-~]+")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """The parts of a store's URL, decoded. `name` is the path of a socket, or the service that sentinels know."""

    scheme: str
    user: str | None
    password: str | None
    hosts: tuple[tuple[str, int], ...]
    name: str
    db: int
    options: Mapping[str, str]

    @property
    def is_encrypted(self) -> bool:
        """Return whether TLS is spoken, with a server's sentinels as with itself."""
        return self.scheme.startswith("rediss")

    @property
    def prefix(self) -> str:
        """Return the beginning of every key, empty for our own."""
        return self.options.get("prefix", "")

    def is_on(self, option: str) -> bool:
        """Return whether an option that is yes or no says yes."""
        return self.options.get(option, "").lower() in _TRUE


def read_store_url(url: str) -> StoreUrl:
    """Read a URL. Raises ValueError, which says what to write instead and shows nothing of the URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES or not rest:
        raise ValueError(f"write embedded, {EXAMPLES}")
    found = _SHAPE.fullmatch(url)
    if found is None or not _PRINTABLE.fullmatch(url) or _STRAY_PERCENT.search(url):
        raise ValueError(f"cannot be read as a URL of a store; {_ENCODE}")
    user, password = _login(found[2])
    options = _options(scheme, found[5] or "")
    name, db = _place(scheme, found[4], options.pop("db", ""))
    _check_password(user, password, options)
    _check_certificate(options)
    _check_prefix(options)
    return StoreUrl(scheme, user, password, _hosts(scheme, found[3]), name, db, options)


def _login(written: str | None) -> tuple[str | None, str | None]:
    user, _, password = (written or "").partition(":")
    return unquote(user) or None, unquote(password) or None


def _options(scheme: str, query: str) -> dict[str, str]:
    known = _OPTIONS[scheme]
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known or name in options:
            names = ", ".join(sorted(known)) or "none"
            raise ValueError(f"has an option that {scheme}:// does not know, or one twice; known: {names}; {_ENCODE}")
        if value.lower() not in _CHOICES.get(name, {value.lower()}):
            raise ValueError(f"its option {name} must be one of {', '.join(sorted(_CHOICES[name]))}")
        options[name] = value
    return options


def _check_password(user: str | None, password: str | None, options: Mapping[str, str]) -> None:
    """Raise ValueError where there is no password, or more than one, that could be meant."""
    sources = [name for name in ("password_command", "password_file", "auth") if name in options]
    if len(sources) + bool(password) > 1:
        raise ValueError("has more than one password; keep one of password, password_file, password_command and auth")
    if not options.get("password_file", "/").startswith("/"):
        raise ValueError("its password_file must be an absolute path, such as /run/secrets/redis-password")
    if "password_command" in options:
        _check_command(options["password_command"])
    if "auth" in options and not (user and options.get("aws_cache") and options.get("aws_region")):
        raise ValueError(
            "its auth=aws-iam needs a user, a cache and a region; write "
            "rediss://USER@host:6379?auth=aws-iam&aws_cache=NAME&aws_region=eu-central-1"
        )
    if "auth" not in options and options.keys() & _IAM_OPTIONS:
        raise ValueError("has options of AWS without auth=aws-iam")


def _check_command(written: str) -> None:
    try:
        words = shlex.split(written)
    except ValueError:
        words = []
    if not words:
        raise ValueError("its password_command cannot be read; write a program and its arguments, without a shell")


def _check_certificate(options: Mapping[str, str]) -> None:
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("names ssl_keyfile without ssl_certfile, the client's certificate")


def _check_prefix(options: Mapping[str, str]) -> None:
    if not _PREFIX.fullmatch(options.get("prefix", "x")):
        raise ValueError("its prefix must be 1 to 64 letters, digits, dots, hyphens or underscores, such as staging")


def _place(scheme: str, path: str, option: str) -> tuple[str, int]:
    """The name and the number of the database."""
    if scheme == "unix":
        if not path.strip("/"):
            raise ValueError("lacks the path of its socket; write unix:///run/redis.sock")
        return unquote(path), _database(option)
    if scheme.endswith("+sentinel"):
        service, _, db = path.strip("/").partition("/")
        if not service:
            raise ValueError("names no service; write redis+sentinel://host:26379/service or …/service/0")
        return unquote(service), _database(db)
    if scheme.endswith("+cluster"):
        if path.strip("/") not in ("", "0"):
            raise ValueError("names a database, and a cluster has none; write redis+cluster://host:6379")
        return "", 0
    return "", _database(option or path.strip("/"))


def _database(written: str) -> int:
    if written and not re.fullmatch("[0-9]{1,9}", written):
        raise ValueError(f"its database must be a number, such as redis://host:6379/0; {_ENCODE}")
    return int(written or 0)


def _hosts(scheme: str, written: str) -> tuple[tuple[str, int], ...]:
    if scheme == "unix":
        if written:
            raise ValueError("names a host; a socket's path has three slashes: unix:///run/redis.sock")
        return ()
    default = _SENTINEL_PORT if scheme.endswith("+sentinel") else _PORT
    hosts = tuple(_host(each, default) for each in written.split(",") if each)
    if not hosts:
        raise ValueError(f"names no host; write {scheme}://host:{default}")
    if len(hosts) > 1 and scheme in ("redis", "rediss"):
        raise ValueError("names several hosts; for a cluster write redis+cluster://, for sentinels redis+sentinel://")
    return hosts


def _host(written: str, default_port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(written)
    port = int(found[3] or default_port) if found else 0
    if found is None or not 0 < port <= _HIGHEST_PORT:
        raise ValueError(f"has a host that cannot be read; write host:port, such as redis.internal:6379; {_ENCODE}")
    return found[1] or found[2], port
