"""Options of a transport to a provider, with their defaults."""

from dataclasses import dataclass
from typing import Literal

TransportKind = Literal["lean", "standard"]


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Times in seconds. `lean` counts connections per origin, `standard` over all origins of the transport."""

    kind: TransportKind = "lean"
    """`lean`: our own HTTP/1.1 client. `standard`: httpx2's, for proxies and HTTP/2, at several times the CPU."""
    proxy: str | None = None
    """URL of an HTTP proxy, with credentials if it wants them; `standard` only. The environment is never asked."""
    http2: bool = False
    """Offer HTTP/2 over TLS; `standard` only, and with the package `h2` installed."""
    ca_file: str | None = None
    """PEM file of authorities trusted besides the system's."""
    client_certificate: str | None = None
    """PEM file of a certificate that the client shows, with its key unless `client_key` has it."""
    client_key: str | None = None
    """PEM file of that certificate's key."""
    connect_timeout_seconds: float = 5.0
    """From name lookup to the end of the TLS handshake. `standard` grants it to TCP and to TLS, each."""
    max_connections: int = 512
    """Connections open at once; further calls queue, first come, first served."""
    max_idle: int = 256
    """Connections kept open between calls; with fewer than there are callers, some connect anew for every call."""
    idle_seconds: float = 30.0
    """How long. Keep it below the provider's own limit, or its closing will cross with our requests."""

    def __post_init__(self) -> None:
        if self.kind == "lean" and (self.proxy is not None or self.http2):
            raise ValueError("proxy and http2 need transport 'standard'")
        if self.max_connections < 1 or self.max_idle < 0:
            raise ValueError(f"max_connections {self.max_connections} or max_idle {self.max_idle} is too small")
