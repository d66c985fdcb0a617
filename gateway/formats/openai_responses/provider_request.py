"""Write a prompt as a request of this format. The provider stores nothing unless the client asks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from gateway.formats import openai_limits
from gateway.formats.limits import UNBOUNDED, FormatLimits, Spelling
from gateway.formats.openai_responses import NAME, _content
from gateway.formats.openai_responses._tools import write_choice, write_output, write_tool
from gateway.formats.openai_responses.client_request import ENCRYPTED, HINTS, LOGPROBS
from gateway.formats.prompt import (
    Effort,
    Media,
    Message,
    Part,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Untranslatable,
)

PATH = "/responses"
LIMITS = replace(openai_limits.OPENAI, call_id=Spelling(64), stops=UNBOUNDED)
FEWEST_TOKENS = 16  # what OpenAI takes at the least as `max_output_tokens`
UNSAYABLE = ("stop", "seed", "top_k", "presence_penalty", "frequency_penalty")

# Members of chat completions that mean the same here.
_SHARED_EXTRAS = frozenset({"verbosity", "reasoning_effort", "moderation"})
# Up to how many tokens of thought an effort stands for; what is more is `high`.
_EFFORTS: tuple[tuple[int, Effort], ...] = ((0, "none"), (2048, "low"), (8192, "medium"))
_Item = dict[str, Any]


@lru_cache(maxsize=256)  # the models of a configuration
def limits(model: str) -> FormatLimits:
    """Return what that model takes at most."""
    return openai_limits.of_model(LIMITS, model)


def write(prompt: Prompt, model: str) -> dict[str, Any]:
    """Return the body of the request. Raises Untranslatable."""
    _refuse(prompt)
    body: dict[str, Any] = {"model": model, **_conversation(prompt), "store": prompt.hints.get("store") is True}
    if prompt.tools:
        body["tools"] = [write_tool(tool) for tool in prompt.tools]
    if prompt.tool_choice is not None:
        body["tool_choice"] = write_choice(prompt.tool_choice)
    members = {
        "parallel_tool_calls": prompt.parallel_tools,
        "text": _text(prompt),
        "reasoning": _reasoning(prompt),
        "max_output_tokens": None if prompt.max_tokens is None else max(prompt.max_tokens, FEWEST_TOKENS),
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "top_logprobs": prompt.top_logprobs,
        "include": _include(prompt) or None,
        "stream": prompt.stream or None,
        "moderation": prompt.extras.get("moderation"),
        **{name: prompt.hints.get(name) for name in HINTS if name != "store"},
    }
    return body | {name: value for name, value in members.items() if value is not None}


def effort_of(budget: int) -> Effort | None:
    """The effort that a budget of tokens for thoughts comes to; None leaves it to the model, as a negative one does."""
    if budget < 0:
        return None
    return next((effort for most, effort in _EFFORTS if budget <= most), "high")


def unsayable(field: str) -> Untranslatable:
    """The error of a parameter that this format does not have."""
    return Untranslatable(f"the Responses API has no {field}: leave it out, or use another provider", param=field)


def _refuse(prompt: Prompt) -> None:
    for field in UNSAYABLE:
        if getattr(prompt, field):  # a penalty of 0 is none
            raise unsayable(field)
    if prompt.seed is not None:
        raise unsayable("seed")
    for name in prompt.extras:
        if name not in _SHARED_EXTRAS:
            raise unsayable(name)


def _text(prompt: Prompt) -> _Item | None:
    text: _Item = {} if prompt.output is None else {"format": write_output(prompt.output)}
    if (verbosity := prompt.extras.get("verbosity")) is not None:
        text["verbosity"] = verbosity
    return text or None


def _reasoning(prompt: Prompt) -> _Item | None:
    effort = prompt.extras.get("reasoning_effort") or prompt.effort
    if effort is None and prompt.thinking_budget is not None:
        effort = effort_of(prompt.thinking_budget)
    reasoning: _Item = {} if effort is None else {"effort": effort}
    if prompt.wants_thoughts:
        reasoning["summary"] = "auto"
    return reasoning or None


def _include(prompt: Prompt) -> list[str]:
    """Return the values of `include`. Models that think return sealed thoughts; others refuse the request for them."""
    thinks = _reasoning(prompt) not in (None, {"effort": "none"})
    thought = any(_is_own(part) for message in prompt.messages for part in message.parts)
    return [LOGPROBS] * bool(prompt.logprobs) + [ENCRYPTED] * (thinks or thought)


def _conversation(prompt: Prompt) -> _Item:
    """The first system message as `instructions`, and all else as items."""
    first = prompt.messages[0] if prompt.messages else None
    rest = prompt.messages[1:]
    items = [item for message in rest for item in _items(message)]
    if first and first.role == "system" and items and all(isinstance(part, Text) for part in first.parts):
        instructions = "\n\n".join(part.text for part in first.parts if isinstance(part, Text))
        return {"instructions": instructions, "input": [*_mention_of_json(prompt, rest), *items]}
    opening = _items(first) if first else ()
    return {"input": [*_mention_of_json(prompt, prompt.messages), *opening, *items]}


def _mention_of_json(prompt: Prompt, messages: Sequence[Message]) -> list[_Item]:
    """OpenAI refuses `json_object` unless its input speaks of JSON."""
    if prompt.output is None or prompt.output.schema is not None:
        return []
    texts = (part.text for message in messages for part in message.parts if isinstance(part, Text))
    if any("json" in text.lower() for text in texts):
        return []
    return [_message("system", [{"type": "input_text", "text": "Answer with a JSON object."}])]


def _items(message: Message) -> Iterator[_Item]:
    """A turn as items: its text and media together, as far as no item of another kind stands between them."""
    pending: list[_Item] = []
    for part in _named(message):
        if isinstance(part, (Text, Media)) and message.role != "assistant":
            if not isinstance(part, Text) or part.text:
                pending.append(_content.write(part))
            continue
        if pending:
            yield _message(message.role, pending)
            pending = []
        yield from _item(part)
    if pending:
        yield _message(message.role, pending)


def _named(message: Message) -> tuple[Part, ...]:
    """The parts; a participant's name, for which there is no member here, stands before what was said."""
    if not message.name:
        return message.parts
    for index, part in enumerate(message.parts):
        if isinstance(part, Text):
            spoken = Text(f"{message.name}: {part.text}")
            return (*message.parts[:index], spoken, *message.parts[index + 1 :])
    return message.parts


def _item(part: Part) -> Iterator[_Item]:
    """Yield the items of a part that stands alone; none for thoughts that this format did not sign."""
    if isinstance(part, Text):
        if part.text:
            yield {"role": "assistant", "content": part.text}
    elif isinstance(part, Refusal):
        yield _message("assistant", [{"type": "refusal", "refusal": part.text}])
    elif isinstance(part, ToolCall):
        arguments = part.arguments or "{}"
        yield {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments}
    elif isinstance(part, ToolResult):
        yield {"type": "function_call_output", "call_id": part.call_id, "output": _outcome(part)}
    elif isinstance(part, Reasoning):
        yield from _thought(part)
    else:
        message = f"the Responses API takes no {part.kind} in an assistant's turn: leave it out"
        raise Untranslatable(message, param="messages")


def _thought(part: Reasoning) -> Iterator[_Item]:
    if _is_own(part):
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        item = {"type": "reasoning", "summary": summary, "encrypted_content": part.encrypted}
        yield {**item, "id": part.id} if part.id else item


def _is_own(part: Part) -> bool:
    return isinstance(part, Reasoning) and part.signed_by == NAME and bool(part.encrypted)


def _outcome(result: ToolResult) -> str | list[_Item]:
    """Return a function's result; a failure is told in words, because there is no member for it."""
    parts = result.parts
    if result.is_error:
        parts = (Text("Error:"), *parts)
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    if all(isinstance(part, Text) for part in parts) and result.is_error:
        return " ".join(part.text for part in parts if isinstance(part, Text))
    return [_content.write(part) for part in parts] or ""


def _message(role: str, parts: list[_Item]) -> _Item:
    return {"type": "message", "role": role, "content": parts}
