"""Limits of chat-completions servers: one line for each known host."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from gateway.formats.limits import PLAIN, FormatLimits, Spelling
from gateway.formats.openai_limits import CHAT, OPENAI, of_model

# A name that begins with a dot is the end of a host's.
HOSTS: Mapping[str, FormatLimits] = {
    "api.openai.com": OPENAI,
    ".api.openai.com": OPENAI,  # its regions
    ".openai.azure.com": OPENAI,
    ".cognitiveservices.azure.com": OPENAI,
    # Refuses an effort at models that do not know it, and nobody knows which do: a wish is not worth a refusal.
    "api.mistral.ai": replace(CHAT, call_id=Spelling(9, PLAIN, shortest=9), efforts=()),
}


@lru_cache(maxsize=256)  # the targets of a configuration
def limits(host: str, model: str) -> FormatLimits:
    """Return what that model takes at that host."""
    return of_model(known_host(host) or CHAT, model)


@lru_cache(maxsize=64)
def known_host(host: str) -> FormatLimits | None:
    """The limits of a host of chat completions, None where they are not known."""
    return next((each for known, each in HOSTS.items() if _is(host.lower(), known)), None)


def _is(host: str, known: str) -> bool:
    return host.endswith(known) if known.startswith(".") else host == known
