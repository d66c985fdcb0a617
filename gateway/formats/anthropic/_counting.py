"""`POST /v1/messages/count_tokens`: how many tokens a request would take, without an answer to it."""

from collections.abc import Mapping

from gateway.calls import MAX_TOKENS_COUNTED
from gateway.errors import ProviderError
from gateway.formats.anthropic.amend import amend
from gateway.formats.anthropic.errors import raise_error_inside
from gateway.formats.anthropic.provider_request import PATH
from gateway.formats.door import Counting
from gateway.formats.provider_json import parse
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode

# What says how to answer and not what is asked: the endpoint takes none of it.
_NOT_COUNTED = (
    "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier", "container",
    "inference_geo", "diagnostics",
)  # fmt: skip


def count_changes(document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
    """The members that a version changes in a client's question, as JSON texts; None takes out.

    Raises Untranslatable as a request to that model does.
    """
    return {**amend(document, settings, model), **dict.fromkeys(_NOT_COUNTED)}


def check_count(body: bytes) -> None:
    """Raise ProviderError when what a provider answered is no count."""
    members = parse(body)
    if isinstance(members, dict):
        raise_error_inside(members, body)
        tokens = members.get("input_tokens")
        if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= MAX_TOKENS_COUNTED:
            return
    raise ProviderError("malformed", "the provider's answer is not a token count")


def count_answer(tokens: int) -> bytes:
    """The body of the answer."""
    return encode({"input_tokens": tokens}).encode()


COUNTING = Counting(
    path=f"/v1{PATH}/count_tokens",
    provider_path=f"{PATH}/count_tokens",
    changes=count_changes,
    check=check_count,
    answer=count_answer,
)
