"""Requests in the shape in which Codex sends them: its tools, members and headers, with other words."""

from collections.abc import Mapping
from typing import Any

THREAD = "0199a213-81c0-7800-8aa1-bbab2a035a53"
HEADERS: Mapping[str, str] = {
    "originator": "codex_cli_rs",
    "user-agent": "codex_cli_rs/0.130.0 (Ubuntu 24.4.0; x86_64) xterm-256color",
    "conversation_id": THREAD,
    "session_id": THREAD,
    "x-codex-beta-features": "",
}
SOCKET_HEADERS: Mapping[str, str] = {
    "openai-beta": "responses_websockets=2026-02-06",
    "session_id": THREAD,
    "user-agent": HEADERS["user-agent"],
    "x-client-request-id": THREAD,
}
_PATCH = """start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk | update_hunk
%import common.LF
"""


def _function(name: str, required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}
    return {"type": "function", "name": name, "description": f"{name}. " * 40, "strict": False, "parameters": schema}


def tools() -> list[dict[str, Any]]:
    """The freeform patch first, then functions, then those of MCP servers."""
    text, number = {"type": "string"}, {"type": "number"}
    step = {"type": "object", "properties": {"step": text, "status": text}, "required": ["step", "status"]}
    grammar = {"type": "grammar", "syntax": "lark", "definition": _PATCH}
    mcp = {"type": "object", "properties": {"query": {"type": ["string", "null"]}, "page": {"type": "integer"}}}
    return [
        {"type": "custom", "name": "apply_patch", "description": "Use it to edit files.", "format": grammar},
        _function("exec_command", ("cmd",), cmd=text, workdir=text, yield_time_ms=number, max_output_tokens=number),
        _function("write_stdin", ("session_id",), session_id=number, chars=text),
        _function("update_plan", ("plan",), explanation=text, plan={"type": "array", "items": step}),
        _function("view_image", ("path",), path=text),
        *({**_function(f"mcp__tracker__tool_{at}", ()), "parameters": mcp} for at in range(12)),
    ]


def says(text: str) -> list[Any]:
    """The first items of a conversation: what the developer says, the surroundings, the user's words."""
    surroundings = "<environment_context>\n  <cwd>/repo</cwd>\n  <shell>bash</shell>\n</environment_context>"
    return [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions/>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": surroundings}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
    ]


def shell_output(call: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a call."""
    return {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": "Exit code: 0\nOutput:\nDone."}


def turn(agent: str, given: list[Any]) -> dict[str, Any]:
    """One request."""
    return {
        "model": agent,
        "instructions": "You are Codex. " * 100,
        "input": given,
        "tools": tools(),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": THREAD,
        "text": {"verbosity": "low"},
    }
