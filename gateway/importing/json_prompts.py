"""Prompts as JSON: those of Langfuse, and OpenAI's stored prompts."""

from typing import Final

from gateway.config.nodes import Node, Path
from gateway.importing.front_matter import refuse_tags
from gateway.importing.imported import Draft, Json
from gateway.importing.tags import TagConverter

_LANGFUSE: Final = ("type", "prompt", "name", "config", "description")
_OPENAI: Final = (
    "name", "description", "model", "instructions", "messages", "input", "prompt", "variables", "tools", "text",
    "reasoning", "object", "tool_choice", "parallel_tool_calls", "store", "temperature", "top_p", "max_output_tokens",
)  # fmt: skip
_PARAMETERS: Final = ("temperature", "top_p", "max_output_tokens", "tool_choice", "parallel_tool_calls", "store")
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_langfuse(root: Node) -> Draft:
    """Return the version that a Langfuse prompt describes, of type `text` or `chat`."""
    draft = Draft()
    draft.take_text(root, "name")
    prompt = root.get("prompt") or root
    if prompt.text is not None:
        _take(draft, [("system", prompt, ("prompt",))], {})
    else:
        _take(draft, _messages(draft, prompt, ("prompt",)), {})
    config = root.get("config")
    if config is not None:
        if (model := config.get("model")) is not None and model.text:
            draft.content["model"] = model.text
        if (tools := config.get("tools")) is not None:
            draft.content["tools"] = tools.plain()
        rest = {key: value for key, value in config.entries.items() if key not in ("model", "tools")}
        draft.take_parameters(Node(rest, config.file, config.line, config.column), ("config",))
    draft.leave_out_all(root, _LANGFUSE)
    return draft


def read_openai(root: Node) -> Draft:
    """Return the version that a stored prompt of OpenAI's describes."""
    draft = Draft()
    draft.take_text(root, "name", "description")
    if (model := root.get("model")) is not None and model.text:
        draft.content["model"] = model.text
    texts = list[tuple[str, Node, Path]]()
    if (instructions := root.get("instructions")) is not None and instructions.text is not None:
        texts.append(("system", instructions, ("instructions",)))
    for key in ("messages", "input", "prompt"):
        if (said := root.get(key)) is not None:
            texts += [("user", said, (key,))] if said.text is not None else _messages(draft, said, (key,))
    _take(draft, texts, _variables(root.get("variables")))
    chosen = {key: value for key, value in root.entries.items() if key in _PARAMETERS and value.value is not None}
    draft.take_parameters(Node(chosen, root.file, root.line, root.column), ())
    if (effort := root.get("reasoning", "effort")) is not None and effort.text:
        draft.content["reasoning_effort"] = effort.text
    _take_tools(draft, root.get("tools"))
    _take_format(draft, root.get("text", "format"))
    draft.leave_out_all(root, _OPENAI)
    return draft


def _take(draft: Draft, texts: list[tuple[str, Node, Path]], declared: dict[str, Json]) -> None:
    """Keep messages, whose texts name variables as `{{name}}`."""
    names: dict[str, None] = {}
    messages = list[tuple[str, str]]()
    for role, node, _path in texts:
        converted = TagConverter(node.text or "", role).handlebars()
        refuse_tags(draft, converted, node.file, node.line)
        messages += converted.messages
        names |= converted.names
    draft.take_messages(messages)
    draft.declare(names, declared)


def _messages(draft: Draft, listed: Node, path: Path) -> list[tuple[str, Node, Path]]:
    found = list[tuple[str, Node, Path]]()
    for index, message in enumerate(listed.items):
        place, role = (*path, index), message.get("role")
        known = _ROLES.get(role.text or "") if role is not None else None
        content = message.get("content")
        if known is None or content is None:
            kind = message.get("type")
            what = f"of type {kind.text}" if kind is not None and kind.text != "message" else "without a known role"
            draft.refuse(message, place, f"a message {what} is not kept: a client's messages follow the version's")
            continue
        for part in [content] if content.text is not None else content.items:
            text = part if part.text is not None else part.get("text")
            if text is None or text.text is None:
                kind = part.get("type")
                draft.refuse(part, place, f"{kind.text if kind else 'a part'} is not kept: prompts hold text only")
            else:
                found.append((known, text, place))
    return found


def _variables(node: Node | None) -> dict[str, Json]:
    """Return the declared variables: a list of names or of objects with a name, or an object by names."""
    if node is None:
        return {}
    names = [each.text or (named.text if (named := each.get("name")) is not None else None) for each in node.items]
    return {name: {} for name in [*names, *node.entries] if name}


def _take_tools(draft: Draft, tools: Node | None) -> None:
    made = list[Json]()
    for index, tool in enumerate(tools.items if tools is not None else ()):
        kind = tool.get("type")
        if kind is None or kind.text != "function":
            draft.refuse(tool, ("tools", index), f"a tool of type {kind.text if kind else 'none'} is not kept")
            continue
        members = ("name", "description", "parameters", "strict")
        function = {key: value.plain() for key, value in tool.entries.items() if key in members}
        made.append({"type": "function", "function": function})
    if made:
        draft.content["tools"] = made


def _take_format(draft: Draft, form: Node | None) -> None:
    kind = form.get("type") if form is not None else None
    if form is None or kind is None or kind.text == "text":
        return
    rest = {key: value.plain() for key, value in form.entries.items() if key != "type"}
    if kind.text == "json_schema":
        draft.content["response_format"] = {"type": "json_schema", "json_schema": rest}
    else:
        draft.content["response_format"] = {"type": kind.text}
