"""The admin token of one run, for an operator on the same machine who has none."""

import secrets
import sys
from collections.abc import Mapping

from gateway.config import GatewaySettings


def needs_token(settings: GatewaySettings) -> bool:
    """Return whether a token is made for this run: on loopback, where none is configured."""
    return settings.admin_token_sha256 is None and settings.listen.is_loopback


def with_admin_token(environ: Mapping[str, str], settings: GatewaySettings) -> Mapping[str, str]:
    """Make an admin token for this run, on loopback without a configured one, and print it to standard error only."""
    if not needs_token(settings):
        return environ
    token = secrets.token_urlsafe(24)
    print(f"SERINUS_ADMIN_TOKEN={token}  # made for this run", file=sys.stderr, flush=True)
    return {**environ, "SERINUS_ADMIN_TOKEN": token}
