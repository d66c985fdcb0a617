"""A `Prompt` as a chat completion, for a provider whose client speaks another wire format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.formats.openai_chat._content import write_content
from gateway.formats.openai_chat._quirks import Quirks
from gateway.formats.openai_chat._reasoning import signed_call, write_details
from gateway.formats.openai_chat._systems import with_one_system
from gateway.formats.prompt import (
    Effort,
    Media,
    Message,
    OutputShape,
    Part,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Untranslatable,
)

Members = dict[str, Any]

# Extras of other formats that mean here what they mean there.
KNOWN_EXTRAS = frozenset({"logit_bias", "verbosity", "web_search_options"})

# Fields that are members as they are.
_SAME = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
# Up to so many tokens of thought are that effort: Google's own table for chat completions.
_EFFORTS: tuple[tuple[int, Effort], ...] = ((0, "none"), (1024, "low"), (8192, "medium"))


def write_request(prompt: Prompt, model: str, quirks: Quirks) -> Members:
    """The body. Raises Untranslatable and names the field that chat completions cannot say."""
    for name in prompt.extras:
        if name not in KNOWN_EXTRAS:
            message = f"{name} has no equivalent in chat completions: leave it out"
            raise Untranslatable(message, param=name)
    body: Members = {"model": model, "messages": write_messages(prompt.messages, quirks)}
    body |= write_parameters(prompt, quirks) | _write_tools(prompt) | dict(prompt.extras)
    hints = {name: value for name, value in prompt.hints.items() if name in quirks.hints}
    if not hints.get("store"):
        hints.pop("metadata", None)  # refused without
    if prompt.stream:
        hints |= {"stream": True}
        if quirks.asks_usage:
            hints |= {"stream_options": {"include_usage": True}}
    return body | hints


def write_parameters(prompt: Prompt, quirks: Quirks) -> Members:
    """Write all members but messages and tools. Raises Untranslatable."""
    named = {name: getattr(prompt, name) for name in _SAME}
    named |= {quirks.limit: prompt.max_tokens, quirks.seed: prompt.seed, "top_k": prompt.top_k}
    if prompt.top_k is not None and not quirks.top_k:
        raise Untranslatable("top_k is no parameter of chat completions: leave it out, or use top_p", param="top_k")
    members = {name: value for name, value in named.items() if value is not None}
    if prompt.stop:
        members["stop"] = list(prompt.stop)
    if prompt.output is not None:
        members["response_format"] = write_output(prompt.output)
    return members | _write_effort(prompt, quirks)


def write_output(output: OutputShape) -> Members:
    if output.schema is None:
        return {"type": "json_object"}
    said = {"description": output.description, "strict": output.strict}
    given = {name: value for name, value in said.items() if value not in ("", None)}
    return {"type": "json_schema", "json_schema": {"name": output.name or "answer", "schema": output.schema, **given}}


def write_tool(tool: ToolSpec) -> Members:
    said = {"description": tool.description or None, "parameters": tool.schema, "strict": tool.strict}
    given = {name: value for name, value in said.items() if value is not None}
    return {"type": "function", "function": {"name": tool.name, **given}}


def write_choice(choice: ToolChoice) -> str | Members:
    return choice.mode if choice.mode != "one" else {"type": "function", "function": {"name": choice.name}}


def write_messages(messages: Sequence[Message], quirks: Quirks) -> list[Members]:
    """The conversation. Raises Untranslatable."""
    written = [each for message in messages for each in _WRITERS[message.role](message, quirks)]
    return with_one_system(written) if quirks.one_system else written


def _write_tools(prompt: Prompt) -> Members:
    """Write the tools. A choice without tools would be refused, and is left out unless it insists."""
    choice, members = prompt.tool_choice, Members()
    if prompt.tools:
        members["tools"] = [write_tool(tool) for tool in prompt.tools]
        if prompt.parallel_tools is not None:
            members["parallel_tool_calls"] = prompt.parallel_tools
    if choice is not None and (prompt.tools or choice.mode in ("required", "one")):
        members["tool_choice"] = write_choice(choice)
    return members


def _write_effort(prompt: Prompt, quirks: Quirks) -> Members:
    if quirks.effort == "reasoning":
        return _write_openrouter_effort(prompt)
    effort = prompt.effort
    if effort is None and prompt.thinking_budget is not None:
        budget = prompt.thinking_budget
        effort = next((name for tokens, name in _EFFORTS if budget <= tokens), "high")
    if quirks.effort:
        return {quirks.effort: effort} if effort else {}
    if effort not in (None, "none") and not prompt.may_not_think:
        message = "this model does not think; leave reasoning_effort out or choose a newer model"
        raise Untranslatable(message, param="reasoning_effort")
    return {}


def _write_openrouter_effort(prompt: Prompt) -> Members:
    wanted: Members = {}
    if prompt.thinking_budget is not None:
        wanted["max_tokens"] = prompt.thinking_budget
    if prompt.effort is not None:  # one of the two, not both
        wanted = {"effort": prompt.effort}
    if prompt.wants_thoughts is False:
        wanted["exclude"] = True
    return {"reasoning": wanted} if wanted else {}


def _write_system(message: Message, quirks: Quirks) -> Iterator[Members]:
    content = write_content(_texts(message.parts, "system"), quirks.cache)
    yield {"role": "system", "content": content, **_named(message)}


def _write_user(message: Message, quirks: Quirks) -> Iterator[Members]:
    """Results first: they must follow the calls. They hold text only, so their media come in a message of the user."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    shown: list[Text | Media] = []
    for result in results:
        media = [part for part in result.parts if isinstance(part, Media)]
        if media:
            shown += [Text(f"What the call {result.call_id} returned besides text:"), *media]
        yield {"role": "tool", "tool_call_id": result.call_id, "content": _write_result(result, quirks)}
    others = [part for part in message.parts if not isinstance(part, ToolResult | Reasoning)]
    said = [*shown, *_shown(others, "user")]
    if said or not results:
        yield {"role": "user", "content": write_content(said, quirks.cache), **_named(message)}


def _write_result(result: ToolResult, quirks: Quirks) -> str | list[Members]:
    texts = [part for part in result.parts if isinstance(part, Text)]
    if result.is_error:  # nothing else says so
        texts = [Text(f"Error: {texts[0].text}" if texts else "Error"), *texts[1:]]
    if not (quirks.cache and any(text.cache for text in texts)):
        return "\n\n".join([text.text for text in texts])  # DeepSeek takes no list here
    return write_content(texts, quirks.cache)


def _write_assistant(message: Message, quirks: Quirks) -> Iterator[Members]:
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    refusals = [part.text for part in message.parts if isinstance(part, Refusal)]
    rest = [part for part in message.parts if not isinstance(part, Reasoning | ToolCall | Refusal)]
    said = _texts(rest, "assistant")
    if not (said or calls or refusals):
        return  # nothing but thoughts
    written: Members = {"role": "assistant", "content": write_content(said, quirks.cache) if said else None}
    if refusals:
        written["refusal"] = "".join(refusals)
    if calls:
        written["tool_calls"] = [_write_call(call, quirks) for call in calls]
    yield {**written, **_write_thoughts(thoughts, quirks), **_named(message)}


def _write_call(call: ToolCall, quirks: Quirks) -> Members:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    signed = signed_call(call) if quirks.signatures else {}
    return {"id": call.id, "type": "function", "function": function, **signed}


def _write_thoughts(thoughts: list[Reasoning], quirks: Quirks) -> Members:
    if quirks.thoughts == "reasoning_details" and thoughts:
        return {"reasoning_details": write_details(thoughts)}
    text = "".join(each.text for each in thoughts)
    return {"reasoning_content": text} if quirks.thoughts == "reasoning_content" and text else {}


def _named(message: Message) -> Members:
    return {"name": message.name} if message.name else {}


def _shown(parts: Sequence[Part], role: str) -> list[Text | Media]:
    """Return the text and media of parts. Raises Untranslatable for anything else."""
    shown = [part for part in parts if isinstance(part, Text | Media)]
    if len(shown) < len(parts):
        raise Untranslatable(f"a message of the {role} can hold no calls", param="messages")
    return shown


def _texts(parts: Sequence[Part], role: str) -> list[Text]:
    """Return the texts of parts. Raises Untranslatable for anything else."""
    texts = [part for part in parts if isinstance(part, Text)]
    if len(texts) < len(parts):
        raise Untranslatable(f"in chat completions the {role}'s messages hold text only", param="messages")
    return texts


_WRITERS: Mapping[str, Callable[[Message, Quirks], Iterator[Members]]] = {
    "system": _write_system,
    "user": _write_user,
    "assistant": _write_assistant,
}
