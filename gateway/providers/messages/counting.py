"""`POST /v1/messages/count_tokens`: how many tokens a request would take, without an answer to it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.document import encode
from gateway.providers.formats import Written
from gateway.providers.messages.prompt import read_prompt
from gateway.providers.messages.request import PATH, write
from gateway.providers.prompt import Prompt

# What says how to answer and not what is asked: the endpoint takes none of it.
_NOT_COUNTED = frozenset({"max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata"})


def count_prompt(values: Mapping[str, Any]) -> Prompt:
    """What is to be counted. Raises CallerError and names the member that is wrong."""
    return replace(read_prompt(values), stream=False)


def count_request(prompt: Prompt, model: str) -> Written:
    """The same question to a provider of this format. Raises Untranslatable as a request does."""
    body = write(prompt, model).body
    return Written(f"{PATH}/count_tokens", {name: each for name, each in body.items() if name not in _NOT_COUNTED})


def count_answer(tokens: int) -> bytes:
    """The body of the answer."""
    return encode({"input_tokens": tokens}).encode()
