"""Marks in a client's history that the gateway must recognize: its own ids, and another format's sealed reasoning.

Answers of other providers are not stored anywhere, so an id of ours stands for nothing. Reasoning that such a provider
signed travels in `encrypted_content`, which clients of this format give back unchanged, under a seal that says whose
it is. Its own provider gets it back; no other ever sees it.
"""

import hashlib
import json
import re
from dataclasses import dataclass

from gateway.formats.prompt import FormatName
from gateway.formats.provider_json import text_of
from gateway.json_body import encode

_SEAL = "serinus:"
_OURS = re.compile(r"[a-z]{2,5}_serinus_")


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature of the format `by`; `call_id` is the tool call that it belongs to, '' for reasoning."""

    by: FormatName
    signature: str = ""
    encrypted: str = ""
    call_id: str = ""


def response_id(call_id: str) -> str:
    """The id of an answer that we wrote."""
    return f"resp_serinus_{call_id}"


def interaction_id(call_id: str) -> str:
    """The id of an interaction that we wrote."""
    return f"int_serinus_{call_id}"


def item_id(kind: str, call_id: str, index: int) -> str:
    """The id of an answer's item; OpenAI takes no more than 64 characters."""
    digest = hashlib.blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{kind}_serinus_{digest}_{index}"


def is_ours(value: object) -> bool:
    """Return whether this gateway wrote the id."""
    return isinstance(value, str) and _OURS.match(value) is not None


def seal(seal: Seal) -> str:
    """Return the text for `encrypted_content`."""
    said = {"by": seal.by, "signature": seal.signature, "encrypted": seal.encrypted, "call_id": seal.call_id}
    return _SEAL + encode({name: value for name, value in said.items() if value})


def is_sealed(text: object) -> bool:
    return isinstance(text, str) and text.startswith(_SEAL)


def unseal(text: str) -> Seal | None:
    """Return the content of a seal; None for any other text, or one that was changed."""
    if not is_sealed(text):
        return None
    try:
        said = json.loads(text.removeprefix(_SEAL))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not (by := text_of(said, "by")):
        return None
    return Seal(by, text_of(said, "signature"), text_of(said, "encrypted"), text_of(said, "call_id"))
