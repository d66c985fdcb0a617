"""An account at a provider, as requests need it."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import Headers
from gateway.providers.prompt import FormatName
from gateway.upstream import Origin, Request

Signer = Callable[[Request], list[tuple[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider's API stands, what it speaks, and what opens it.

    `headers` carry the key and go with every request; `defaults` go where the client sent none of that name. `sign`
    makes the headers that depend on the request itself.
    """

    name: str
    origin: Origin
    base_path: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    format: FormatName = "openai"
    defaults: tuple[tuple[bytes, bytes], ...] = ()
    sign: Signer | None = None

    def request(self, path: str, headers: Headers, body: bytes, method: str = "POST") -> Request:
        """A request to this account; `path` is whole, with its query."""
        request = Request(method, self.origin, path, [*headers, *self.headers], body)
        if self.defaults:
            sent = {name for name, _ in headers}
            request.headers += [default for default in self.defaults if default[0] not in sent]
        if self.sign is not None:
            request.headers += self.sign(request)
        return request
