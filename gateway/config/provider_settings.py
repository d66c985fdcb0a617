"""Schema of a provider in `gateway.yaml`: an account at an API, its wire format, and its connection."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field

from gateway.calls import FormatName
from gateway.config.fields import ApiKey, BaseUrl, FixedHeader, FixedValue, Name, ProxyUrl, StrictModel
from gateway.config.presets import PRESETS
from gateway.formats.registry import PROVIDERS

_ANY_REGION = "us-east-1"  # of a provider whose region is missing, which is a problem of its own
_KEY_HEADERS = dict.fromkeys(("authorization", "api-key", *(side.facts.key_header for side in PROVIDERS.values())))
if TYPE_CHECKING:
    Api = FormatName
    KeyHeader = str
    PresetName = str
else:  # choices that pydantic checks, explains and publishes as it does those of any other key
    Api = Literal[tuple(PROVIDERS)]
    PresetName = Literal[tuple(PRESETS)]
    KeyHeader = Literal[tuple(_KEY_HEADERS)]


def _described() -> str:
    *others, last = (f"`{side.name}` ({side.facts.api_name})" for side in PROVIDERS.values())
    return f"The wire format: {', '.join(others)} or {last}. Default: that of the preset."


def _publish_without_api(schema: dict[str, Any]) -> None:
    """Let an editor accept a provider without `api`, which a preset fills in before validation."""
    schema.pop("required")


def _base_url(said: Mapping[str, Any]) -> str:
    side = PROVIDERS.get(said.get("api", ""))
    return "" if side is None else side.facts.base_url.format(region=said.get("region") or _ANY_REGION)


class Provider(StrictModel):
    """An account at a model API, with its wire format."""

    model_config = ConfigDict(json_schema_extra=_publish_without_api)

    preset: PresetName | None = Field(
        default=None,
        description="A well-known API, which brings `api`, `base_url` and `api_key`: "
        f"{', '.join(PRESETS)}. Default: the one that the provider is called like, where `api` is not given.",
    )
    api: Api = Field(description=_described())
    region: Name | None = Field(
        default=None,
        description="The AWS region, such as eu-central-1. Only for `bedrock`, which needs it. Default: none.",
    )
    base_url: BaseUrl = Field(
        default_factory=_base_url,
        description="Where the API is: an http(s) URL up to the version, without credentials or query. "
        "Default: the API's own, such as https://api.openai.com/v1.",
    )
    api_key: ApiKey | None = Field(
        default=None,
        description="The account's key as ${VARIABLE}, never the key itself. Default: none is sent. "
        "Leave it out for a server of your own that asks for none, and for `bedrock` with AWS credentials.",
    )
    key_header: KeyHeader | None = Field(
        default=None,
        description="The header that carries the key. Default: the API's own. "
        "Azure OpenAI takes `api-key`; otherwise leave it alone.",
    )
    headers: Mapping[FixedHeader, FixedValue] = Field(
        default_factory=dict,
        description="Headers that go with every request, in place of a client's of that name, such as "
        "`OpenAI-Organization` and `OpenAI-Project`: a client's never choose the account. Default: none. No secrets.",
    )
    cloud_files: bool = Field(
        default=False,
        description="Let clients name objects in the cloud's storage (`s3://`, `gs://`), which the provider reads "
        "under the account's own role. Default: false. Leave it so unless every client may read all that the role may.",
    )
    transport: Literal["lean", "standard"] = Field(
        default="lean",
        description="The HTTP client: `lean` is the fast HTTP/1.1 one, `standard` also knows proxies and HTTP/2. "
        "Default: lean. Change it only for one of those two.",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="An HTTP or SOCKS5 proxy on the way to the provider, as a URL; its password only as ${VARIABLE}. "
        "Default: none; proxies in the environment are not used. Needs `transport: standard`.",
    )
    http2: bool = Field(
        default=False, description="Offer HTTP/2 to the provider. Default: false. Needs `transport: standard`."
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of a certificate authority to trust besides the system's, relative to the "
        "configuration folder. Default: the system's. Leave it alone for public providers.",
    )

    @property
    def is_public(self) -> bool:
        """Return whether this is the API's own address, which serves nobody without a key."""
        return self.base_url == PROVIDERS[self.api].facts.base_url

    @property
    def key_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header that carries the key, and nothing when there is none."""
        if self.api_key is None:
            return ()
        name = self.key_header or PROVIDERS[self.api].facts.key_header
        key = self.api_key.get_secret_value().encode()
        return ((name.encode(), b"Bearer " + key if name == "authorization" else key),)
