"""Every secret that a deployment holds, for whoever must keep them out of what leaves."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from gateway.config.fields import EMBEDDED
from gateway.config.gateway_file import GatewaySettings


def known_secrets(settings: GatewaySettings) -> frozenset[str]:
    """Return all secrets of the settings: keys, signing secrets, and the secret parts of URLs."""
    secrets = (secret for secret in _secrets(settings) if secret != EMBEDDED)  # a store's URL may be one, too
    return frozenset(part for secret in secrets for part in _parts(secret))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _secrets(each)


def _parts(secret: str) -> Iterator[str]:
    """A secret itself; of a URL its password, as it is written and as it is meant, and for webhooks path and query."""
    scheme, separator, rest = secret.partition("://")
    if not separator:
        yield secret
        return
    user, _, place = rest.rpartition("@")
    password = user.partition(":")[2] or user
    yield from (password, unquote(password))
    if scheme in ("http", "https"):
        parts = urlsplit(f"//{place}")
        yield f"{parts.path}?{parts.query}" if parts.query else parts.path
