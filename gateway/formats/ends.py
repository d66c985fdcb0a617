"""Ends of an answer that are none: the provider was interrupted, and says so where others say why the model stopped.

Servers of one API borrow such words from another, so one table serves all formats.
"""

from gateway.errors import ProviderError

# Sources: the API references of Mistral, OpenRouter, DeepSeek and Z.ai; the finish reasons of vLLM and SGLang.
INTERRUPTED = frozenset(
    {
        "error",  # Mistral, OpenRouter, vLLM
        "insufficient_system_resource",  # DeepSeek
        "network_error",  # Z.ai
        "abort",  # vLLM, SGLang
    }
)


def check_end(reason: object) -> None:
    """Raise ProviderError where that is the reason of an interrupted answer."""
    if isinstance(reason, str) and reason in INTERRUPTED:
        message = f"the provider's answer was interrupted ({reason})"
        raise ProviderError("error_in_answer", message, upstream_status=200)
