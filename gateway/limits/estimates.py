"""Estimates of what a call may take at most: tokens of its input by its length, and of its output by its limit.

Wide on purpose. What a call did not use is given back when it ends.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.calls import Call
from gateway.formats.applied import OUTPUT_LIMITS, AppliedVersion
from gateway.formats.openai_limits import OPENAI, of_model
from gateway.json_body import Document
from gateway.pricing import PriceBook
from gateway.pricing.rates import Rate
from routing.chain import Target

_BYTES_PER_TOKEN: Final = 3  # nearly all texts take fewer tokens than that
_LONG: Final = 65_536  # bytes of a request from which on files in it are looked for
_FILE: Final = re.compile(r"[A-Za-z0-9+/=_-]{4096,}")
_BYTES_PER_FILE_TOKEN: Final = 64
_LEAST_FILE_TOKENS: Final = 1_600
_CONFIGS: Final = ("generationConfig", "generation_config")
_IN_CONFIGS: Final = ("maxOutputTokens", "max_output_tokens")
_CHOICES: Final = ("n", "best_of", "candidateCount", "candidate_count")  # the last two in the configs
_MAY_BE_MANY: Final = frozenset({*_CHOICES, *_CONFIGS})
_SAYS_HOW_MUCH: Final = _MAY_BE_MANY | {*OUTPUT_LIMITS}
_NO_LIMITS: Final = (None, None)
_MOST_TOKENS: Final = 10_000_000  # of an output that a client asks for: no model makes as many
_MOST_CHOICES: Final = 128
PICO_PER_NANO: Final = 1_000


CallEstimate = tuple[int, int]  # tokens of a call's input and output; plain, because every call makes one


def estimate_call(call: Call, applied: AppliedVersion | None, target: Target, assumed: int) -> CallEstimate:
    """Return the estimate of a call that a version serves; `assumed` is the output of one without a limit."""
    document = call.document
    given = input_tokens(document)
    if applied is not None:
        own = applied.prompt_bytes + (len(str(call.values).encode("utf-8", "replace")) if call.values else 0)
        given += own // _BYTES_PER_TOKEN
    if call.operation == "embeddings":
        return given, 0
    values = document.values
    if _SAYS_HOW_MUCH.isdisjoint(values):  # as a rule
        fixed, default = _NO_LIMITS if applied is None else applied.output_limits
        longest, answers = fixed or default, 1
    else:
        longest, answers = _output(values, applied), choices(values)
    if longest is None:
        longest = min(assumed, _longest_answer(target.model))
    return given, longest * answers


def choices(values: Mapping[str, Any]) -> int:
    """Return how many answers a request asks for."""
    if _MAY_BE_MANY.isdisjoint(values):
        return 1
    insides = [inside for config in _CONFIGS if isinstance(inside := values.get(config), dict)]
    counts = [each[name] for each in (values, *insides) for name in _CHOICES if name in each]
    return max(1, 1, *(min(each, _MOST_CHOICES) for each in counts if type(each) is int))


def input_tokens(document: Document) -> int:
    """Return the estimate of a request's input."""
    texts = document.texts.values()
    size = sum(map(len, texts))
    if size <= _LONG and all(map(str.isascii, texts)):
        return size // _BYTES_PER_TOKEN + 1
    size = files = 0
    for text in texts:
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
            of_input, of_output, of_request = dearest(rate)
            return (given * of_input + made * of_output + of_request) // PICO_PER_NANO + 1
    return None


def dearest(rate: Rate) -> tuple[int, int, int]:
    """Return the most that a token of input, one of output and the request cost, in 1e-12 USD."""
    return max(rate.input, rate.cache_write), max(rate.output or 0, rate.reasoning), rate.request


def _output(values: Mapping[str, Any], applied: AppliedVersion | None) -> int | None:
    """Return the longest answer that the request or the version allows; None where neither says."""
    fixed, default = _NO_LIMITS if applied is None else applied.output_limits
    if fixed is not None:
        return fixed
    asked = _limit_in(values)
    return default if asked is None else asked


@lru_cache(maxsize=1024)  # names that clients may write
def _longest_answer(model: str) -> int:
    return of_model(OPENAI, model).max_tokens


def _limit_in(values: Mapping[str, Any]) -> int | None:
    found = [values[name] for name in OUTPUT_LIMITS if name in values]
    for config in _CONFIGS:
        if config in values and isinstance(inside := values.get(config), dict):
            found += [inside[name] for name in _IN_CONFIGS if name in inside]
    counts = [min(each, _MOST_TOKENS) for each in found if type(each) is int and each > 0]
    return max(counts, default=None)
