"""Limits in tests: the configuration of a limited key, and the ledgers of a running gateway."""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from gateway.limits.ledger import LeaseLedger
from tests.gateway.api.doors import KEY
from tests.support.calling import Place

BEARER = {"authorization": f"Bearer {KEY}"}
NANO = 10**9
PRICE = {"target": "standin/good", "from": "2026-01-01", "input": 1.0, "output": 2.0}


def limited(limits: Mapping[str, Any], **gateway: Any) -> dict[str, Any]:
    """`gateway.yaml` with one key that has these limits. Its name is new: counts outlive a test in the shared store."""
    key = {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "limits": dict(limits)}
    return {"keys": {f"app-{uuid.uuid4().hex[:8]}": key}, "prices": [PRICE], **gateway}


def ledgers(here: Place, kind: str) -> list[LeaseLedger]:
    """The ledgers of that kind that had a lease."""
    leases = here.running.gateway.services.proxy.limits.leases
    return [ledger for ledger in leases.ledgers() if ledger.limit.kind == kind]
