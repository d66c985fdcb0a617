"""The keys of a client and of the operator, and the endpoints that ask for none."""

import hashlib

from tests.support.canaries import CLIENT_KEY
from tests.support.running import ADMIN_TOKEN

KEY = CLIENT_KEY
BEARER = f"authorization: Bearer {KEY}"
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
OPEN = {"/healthz", "/readyz", "/status.css", "/status.js", "/review.js", "/status-{state}.svg"}


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
