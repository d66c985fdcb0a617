"""An account at a provider, as requests need it."""

from collections.abc import Hashable
from dataclasses import dataclass

from gateway.errors import Headers
from gateway.formats.prompt import FormatName
from gateway.formats.protocol import ProviderSide, Signer
from gateway.net.client import Origin, Request
from gateway.redaction import Redactor


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """A provider's API: its address, its wire format, and its credentials.

    `headers` carry the key and go with every request; `fixed` go in place of the client's of that name; `defaults` go
    where the client sent none. `sign` makes the headers that depend on the request itself. What is `secret` must not
    come back from there. With `cloud_files` clients may name objects that the account's role reads.
    """

    name: str
    origin: Origin
    base_path: str
    api: ProviderSide
    headers: tuple[tuple[bytes, bytes], ...] = ()
    defaults: tuple[tuple[bytes, bytes], ...] = ()
    sign: Signer | None = None
    secret: Redactor | None = None
    fixed: tuple[tuple[bytes, bytes], ...] = ()
    cloud_files: bool = False

    @property
    def format(self) -> FormatName:
        """The name of the wire format that is spoken there."""
        return self.api.name

    @property
    def account(self) -> Hashable:
        """Return what tells the account from others. Two formats of one account are the same."""
        return self.origin, self.base_path, self.headers, self.fixed

    def redactor(self) -> Redactor | None:
        """Return what replaces the account's secrets in answers; None where the account has none."""
        return self.secret if self.sign is None else self.sign.redactor

    def request(self, path: str, headers: Headers, body: bytes, method: str = "POST") -> Request:
        """A request to this account; `path` is whole, with its query."""
        if self.fixed:
            ours = dict(self.fixed)
            headers = [*(pair for pair in headers if pair[0] not in ours), *self.fixed]
        request = Request(method, self.origin, path, [*headers, *self.headers], body)
        if self.defaults:
            sent = {name for name, _ in headers}
            request.headers += [default for default in self.defaults if default[0] not in sent]
        if self.sign is not None:
            request.headers += self.sign(request)
        return request
