"""Features of Claude models by name: the API refuses what a model does not know.

A name of Anthropic's that is not known yet is taken for a new model, a name of somebody else's for a plain one.
Sources: platform.claude.com, `thinking`, `effort`, `structured outputs`, `mid-conversation system messages` and the
migration guides, as of November 2026.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

_Version = tuple[int, int]

# Thinking counts towards max_tokens, so that a small default would end answers in mid-thought. Models before Claude 4
# refuse more than this; other people's models often take no more than 8,192.
_DEFAULT_MAX_TOKENS = 16_384
_OLD_MAX_TOKENS = 4_096
_FOREIGN_MAX_TOKENS = 8_192

_NAMED = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_NUMBERED = re.compile(r"claude-(\d)(?:[-.](\d))?(?!\d)")  # claude-3-7-sonnet-20250219, claude-2.1
_NEWEST: _Version = (99, 0)


@dataclass(frozen=True, slots=True)
class ClaudeModel:
    """`thinks` by a budget of tokens or by an effort; `always` without a way to turn it off, `unasked` by default.

    `samples` says that it takes temperature, top_p and top_k, `samples_both` the first two at once; `structured` that
    it can be held to a schema, `later_system` that it takes a system message in mid-conversation, `continues` that it
    goes on with an assistant's turn that is left open; `top_effort` is its word for `xhigh`.
    """

    max_tokens: int
    thinks: Literal["never", "budget", "effort"]
    always: bool = False
    unasked: bool = False
    samples: bool = True
    samples_both: bool = True
    structured: bool = False
    later_system: bool = False
    continues: bool = True
    top_effort: str = "xhigh"


@lru_cache(maxsize=256)
def model(name: str) -> ClaudeModel:
    """Return what the model of that name accepts."""
    if "claude" not in name:
        return ClaudeModel(_FOREIGN_MAX_TOKENS, "budget")
    family, version = _read(name)
    return ClaudeModel(
        max_tokens=_OLD_MAX_TOKENS if version < (4, 0) else _DEFAULT_MAX_TOKENS,
        thinks="never" if version < (3, 7) else "budget" if version < (4, 6) else "effort",
        always=family in ("fable", "mythos"),
        unasked=version >= (5, 0),
        samples=version < (4, 7),
        samples_both=version < (4, 1),
        structured=version >= (4, 5),
        # Anthropic's own API alone takes them, whose names are bare.
        later_system=version >= (4, 8) and name.startswith("claude-") and "@" not in name,
        continues=version < (4, 6),
        top_effort="xhigh" if version >= (4, 7) else "max",
    )


def _read(name: str) -> tuple[str, _Version]:
    if match := _NAMED.search(name):
        return match[1], (int(match[2]), int(match[3] or 0))
    if match := _NUMBERED.search(name):
        return "", (int(match[1]), int(match[2] or 0))
    return "mythos" if "mythos" in name else "", _NEWEST
