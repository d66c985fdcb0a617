"""Reasoning in chat completions: text, and signatures that only their own provider can read.

The text stands in `reasoning_content` (DeepSeek's name; OpenRouter says `reasoning`). What is signed or encrypted
stands in `reasoning_details`, as OpenRouter documents them, and a function call's signature in Google's
`extra_content`: so a client that sends a message back as it got it keeps them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.formats.anthropic import NAME as ANTHROPIC
from gateway.formats.bedrock import NAME as BEDROCK
from gateway.formats.gemini import NAME as GEMINI
from gateway.formats.openai_chat import NAME
from gateway.formats.openai_responses import NAME as RESPONSES
from gateway.formats.prompt import FormatName, Reasoning, ToolCall
from gateway.formats.provider_json import text_of

Json = Mapping[str, Any]

# `format` of a detail: OpenRouter's names where it has one. One that says nothing is Anthropic's.
_DOCUMENTED: Mapping[FormatName, str] = {
    ANTHROPIC: "anthropic-claude-v1",
    RESPONSES: "openai-responses-v1",
    GEMINI: "google-gemini-v1",
    BEDROCK: "amazon-bedrock-v1",
    NAME: "unknown",
}
_SIGNERS: Mapping[str, FormatName] = {"": ANTHROPIC, **{name: signer for signer, name in _DOCUMENTED.items()}}
_OURS = "serinus-"  # begins the name of any other format


def read_reasoning(message: Json) -> tuple[Reasoning, ...]:
    """The thoughts of a message. What is ill-typed is left out."""
    details = read_details(message.get("reasoning_details"))
    if any(each.signature or each.encrypted for each in details):
        return details
    text = thought(message)
    return (Reasoning(text),) if text else details


def thought(message: Json) -> str:
    """The text of the thoughts, in a message or in a delta."""
    return text_of(message, "reasoning_content") or text_of(message, "reasoning")


def read_details(value: object) -> tuple[Reasoning, ...]:
    """`reasoning_details`; a summary and the encrypted text of the same item become one."""
    found: list[Reasoning] = []
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        detail = _detail(item)
        last = found[-1] if found else None
        if last and detail.encrypted and not detail.text and _belong(last, detail):
            found[-1] = Reasoning(last.text, "", detail.encrypted, detail.signed_by, detail.id)
        elif detail.text or detail.signature or detail.encrypted:
            found.append(detail)
    return tuple(found)


def write_details(thoughts: Iterable[Reasoning], first: int = 0) -> list[dict[str, Any]]:
    """The thoughts as `reasoning_details`, numbered from `first`."""
    details: list[dict[str, Any]] = []
    for each in thoughts:
        shared = {"id": each.id or None, "format": _written(each.signed_by)}
        if each.encrypted:
            if each.text:
                details.append({"type": "reasoning.summary", "summary": each.text, **shared})
            details.append({"type": "reasoning.encrypted", "data": each.encrypted, **shared})
        else:
            signature = {"signature": each.signature} if each.signature else {}
            details.append({"type": "reasoning.text", "text": each.text, **signature, **shared})
    return [{**detail, "index": first + index} for index, detail in enumerate(details)]


def call_signature(call: Json) -> str:
    """The signature that Gemini puts on a function call, '' where there is none."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return text_of(google, "thought_signature") if isinstance(google, dict) else ""


def write_call_signature(signature: str, signed_by: FormatName | None) -> dict[str, Any]:
    """The member that carries a function call's signature; {} where there is none to carry."""
    if not signature or signed_by != GEMINI:
        return {}
    return {"extra_content": {"google": {"thought_signature": signature}}}


def signed_call(call: ToolCall) -> dict[str, Any]:
    return write_call_signature(call.signature, call.signed_by)


def _detail(item: dict[str, Any]) -> Reasoning:
    signature, encrypted = text_of(item, "signature"), text_of(item, "data")
    signer = _signer(text_of(item, "format")) if signature or encrypted else None
    text = text_of(item, "text") or text_of(item, "summary")
    return Reasoning(text, signature, encrypted, signer, text_of(item, "id"))


def _written(signer: FormatName | None) -> str:
    """Return the value of `format` for a signer."""
    return _DOCUMENTED.get(signer or NAME) or f"{_OURS}{signer}"


def _signer(written: str) -> FormatName:
    """The signer that `format` names; a provider of this format where the name is somebody else's."""
    return written.removeprefix(_OURS) if written.startswith(_OURS) else _SIGNERS.get(written, NAME)


def _belong(last: Reasoning, detail: Reasoning) -> bool:
    """Return whether an encrypted detail goes with the one before it."""
    return bool(detail.id) and last.id == detail.id and not (last.signature or last.encrypted)
