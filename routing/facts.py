"""Facts about a call for rules and assignment."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Facts(NamedTuple):
    """The facts of one call. `headers` are lower-case names; only those that rules or `sticky` ask for are needed.

    `conversation` is what names the conversation (a client's own id or a fingerprint), `request` the call's id.
    """

    caller: str
    group: str
    user: str
    conversation: str
    request: str
    stream: bool = False
    headers: Mapping[str, str] = MappingProxyType({})
