"""Estimates of what a call may take at most: tokens of its input by its length, and of its output by its limit.

Wide on purpose. What a call did not use is given back when it ends.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from gateway.calls import Call
from gateway.formats.applied import AppliedVersion
from gateway.formats.openai_limits import OPENAI, of_model
from gateway.json_body import Document
from gateway.pricing import PriceBook
from routing.chain import Target

_BYTES_PER_TOKEN: Final = 3  # nearly all texts take fewer tokens than that
_LONG: Final = 65_536  # bytes of a request from which on files in it are looked for
_FILE: Final = re.compile(r"[A-Za-z0-9+/=_-]{4096,}")
_BYTES_PER_FILE_TOKEN: Final = 64
_LEAST_FILE_TOKENS: Final = 1_600
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_CONFIGS: Final = ("generationConfig", "generation_config")
_IN_CONFIGS: Final = ("maxOutputTokens", "max_output_tokens")
_MOST_TOKENS: Final = 10_000_000  # of an output that a client asks for: no model makes as many
_MOST_CHOICES: Final = 128
_PICO_PER_NANO: Final = 1_000


class CallEstimate(NamedTuple):
    """Tokens of a call's input and output."""

    input: int
    output: int


def estimate_call(call: Call, applied: AppliedVersion | None, target: Target, assumed: int) -> CallEstimate:
    """Return the estimate of a call that a version serves; `assumed` is the output of one without a limit."""
    given = input_tokens(call.document)
    if applied is not None:
        own = len(applied.system or "") + len(applied.turns) + sum(len(tool.definition) for tool in applied.tools)
        filled = len(str(call.values)) if call.values else 0
        given += (own + filled) // _BYTES_PER_TOKEN
    if call.operation == "embeddings":
        return CallEstimate(given, 0)
    return CallEstimate(given, _output(call.document.values, applied, target, assumed))


def input_tokens(document: Document) -> int:
    """Return the estimate of a request's input."""
    size = files = 0
    for text in document.texts.values():
        length = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if length > _LONG:
            for found in _FILE.finditer(text):
                held = found.end() - found.start()
                length -= held
                files += max(_LEAST_FILE_TOKENS, held // _BYTES_PER_FILE_TOKEN)
        size += length
    return size // _BYTES_PER_TOKEN + 1 + files


def usd_estimate(estimate: CallEstimate, prices: PriceBook, target: str, unix: float) -> int | None:
    """Return what the estimate costs at a target in nano-USD, at its dearest; None without a known price."""
    given, made = estimate
    for rate in prices.rates(target, unix):
        if not rate.above or given > rate.above:
            dearest = max(rate.output or 0, rate.reasoning)
            pico = given * max(rate.input, rate.cache_write) + made * dearest + rate.request
            return pico // _PICO_PER_NANO + 1
    return None


def _output(values: Mapping[str, Any], applied: AppliedVersion | None, target: Target, assumed: int) -> int:
    asked = _limit_in(values)
    if applied is not None and (own := _limit_of(applied, asked)) is not None:
        asked = own
    longest = asked if asked is not None else min(assumed, _longest_answer(target.model))
    choices = values.get("n")
    return longest * (min(choices, _MOST_CHOICES) if type(choices) is int and choices > 1 else 1)


@lru_cache(maxsize=1024)  # names that clients may write
def _longest_answer(model: str) -> int:
    return of_model(OPENAI, model).max_tokens


def _limit_in(values: Mapping[str, Any]) -> int | None:
    found = [values[name] for name in _LIMITS if name in values]
    for config in _CONFIGS:
        if config in values and isinstance(inside := values.get(config), dict):
            found += [inside[name] for name in _IN_CONFIGS if name in inside]
    counts = [min(each, _MOST_TOKENS) for each in found if type(each) is int and each > 0]
    return max(counts, default=None)


def _limit_of(applied: AppliedVersion, asked: int | None) -> int | None:
    """Return the version's own limit where it holds; None where the client's does, or there is none."""
    for name in _LIMITS:
        text = applied.fixed.get(name) or (applied.defaults.get(name) if asked is None else None)
        if text is not None and text.isdigit():
            return int(text)
    return None
