"""Numbers of what an agent's keys hold, so that two releases of the gateway can share a store.

A record names the schema that wrote it, and the oldest one that may read it (`docs/decisions/0075`).
"""

from collections.abc import Mapping

from gateway.errors import StoreAway

SCHEMA = 2  # 1: records without these two fields
NEEDS = 1  # raise it with a change that older releases would misread, never before they know of these numbers
_FIRST = "1"


class StoreAhead(StoreAway):
    """A newer release wrote there what this one might misread: nothing is concluded from it."""


def schema_fields() -> dict[str, str]:
    """Return the fields that a record has of its schema."""
    return {"schema": str(SCHEMA), "needs": str(NEEDS)}


def check_schema(agent: str, fields: Mapping[str, str]) -> None:
    """Raise StoreAhead where the record is from a newer release, and this one might misread it.

    Raises ValueError where its number is none.
    """
    needs = int(fields.get("needs", _FIRST))
    if needs > SCHEMA:
        raise StoreAhead(
            f"the record of agent {agent!r} was written by a newer release (schema {fields.get('schema', needs)}; this "
            f"one knows up to {SCHEMA}): stable alone serves the agent here until this replica runs that release, too"
        )
