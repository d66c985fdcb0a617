"""Limits of one client at the server: sizes in bytes, times in seconds, counts."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import SerinusError

KIB = 1024
MIB = 1024 * KIB


def _none(_path: str) -> bool:
    """No path takes uploads."""
    return False


def _no_id(_refusal: SerinusError, _path: str, _client: str) -> str:
    """Give a refusal no id: nobody notes it."""
    return ""


def _no_dialect(_refusal: SerinusError, _path: str, _id: str) -> bytes | None:
    """No path has a dialect of its own."""
    return None


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Every bound of the listening side. The defaults suit a gateway with large prompts and long streams."""

    head_bytes: int = 64 * KIB
    """Header block, trailers or chunk extensions between two pieces of a body; beyond: 431."""

    header_count: int = 200
    """Headers in one request; beyond: 431."""

    target_bytes: int = 16 * KIB
    """Path and query; beyond: 414."""

    body_bytes: int = 32 * MIB
    """Request body, framing removed; beyond: 413, before anything is read where Content-Length tells."""

    upload_bytes: int = 512 * MIB
    """The same where the path `takes_uploads`: what is handed on as it comes is not held."""

    takes_uploads: Callable[[str], bool] = _none
    """Whether a path's bodies are handed on as they come."""

    refusal_body: Callable[[SerinusError, str, str], bytes | None] = _no_dialect
    """Body of a refusal in the dialect of its path's clients, with its id, as JSON; None for OpenAI's."""

    note_refusal: Callable[[SerinusError, str, str], str] = _no_id
    """Told of each refusal with its path and the client's address; return the id that the answer names, '' for none."""

    head_seconds: float = 10.0
    """From the first byte of a request to the end of its header block; beyond: 408."""

    body_seconds: float = 60.0
    """From the end of the header block to the end of the body; beyond: 408. An upload has this long for each
    `upload_step` bytes."""

    upload_step: int = 64 * KIB
    """Bytes of an upload that must come in `body_seconds`, unless it was we who did not read."""

    keep_alive_seconds: float = 75.0
    """A connection without a request is closed after this. Longer than the 60 s of usual load balancers, so that it
    is they who close first."""

    write_seconds: float = 60.0
    """A client that takes nothing for this long, while bytes wait for it, is cut off."""

    websocket_idle_seconds: float = 900.0
    """A WebSocket on which nothing is asked for this long is closed."""

    linger_seconds: float = 2.0
    """How long a refused client's bytes are thrown away before the connection closes: a close with bytes unread
    would reset the connection, and the client might never see its refusal."""

    first_byte_seconds: float = 10.0
    """A new connection on which nothing comes is closed after this."""

    max_connections: int = 10_000
    """Open connections. For one more the connection that has rested longest is closed; where none rests it is
    answered 503, unless it asks for what is `always_served`."""

    reserve: int = 64
    """Connections beyond `max_connections`, for what is `always_served`: one request each."""

    max_pipelined: int = 32
    """Requests that one connection may send ahead of its answers in one packet; beyond: 503."""

    always_served: tuple[str, ...] = (
        "/healthz", "/readyz", "/metrics", "/status", "/audit/", "/admin/", "/v1/escalations",
    )  # fmt: skip
    """Path prefixes that are served on the `reserve`: operators must get in when all connections are taken."""

    def most_bytes(self, path: str) -> int:
        """Return the largest size of a body sent to that path."""
        return max(self.upload_bytes, self.body_bytes) if self.takes_uploads(path) else self.body_bytes

    @property
    def shortest(self) -> float:
        """The shortest time limit that a connection can run into, in seconds: how often each one is looked at."""
        return min(
            self.first_byte_seconds, self.head_seconds, self.body_seconds, self.keep_alive_seconds, self.write_seconds
        )
