"""Requests in the shape in which Claude Code sends them: its blocks, tools, members and headers, with other words."""

from collections.abc import Mapping
from typing import Any

LONG_TOOL = "mcp__acme_knowledge_base_of_the_support_team__search_articles_by_customer_id"  # 76 characters
FOREIGN_ID = "call_" + "0123456789abcdef" * 5 + "x"  # 86 characters, as some servers of chat completions give them
HEADERS: Mapping[str, str] = {
    "user-agent": "claude-cli/2.1.252 (external, cli)",
    "x-app": "cli",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-stainless-lang": "js",
    "x-stainless-helper-method": "stream",
    "x-api-key": "a-key",
}
QUERY = "?beta=true"
_CACHED = {"type": "ephemeral", "ttl": "1h"}
_BUILT_IN = (
    "Bash", "Read", "Edit", "Write", "Glob", "Grep", "Task", "TodoWrite", "WebFetch", "NotebookEdit", "ExitPlanMode",
    "BashOutput", "KillShell", "AskUserQuestion", "Skill", "SlashCommand", "EnterPlanMode", "TaskOutput", "LSP",
    "Agent",
)  # fmt: skip


def user_id() -> str:
    """An id of 191 characters."""
    return f"user_{'0123456789abcdef' * 4}_account_{'4b5c' * 14}_session_{'6d7e' * 12}"


def tools() -> list[dict[str, Any]]:
    """More than forty: built in, and of MCP servers, whose names and schemas are as they come."""
    plain = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    built_in = [
        {"name": name, "description": name * 200, "input_schema": {"$schema": _DIALECT, **plain}} for name in _BUILT_IN
    ]
    nested = {"type": "object", "properties": {"ids": {"type": "array"}, "options": {"type": "object"}}}
    mcp: list[dict[str, Any]] = [
        {"name": LONG_TOOL, "description": "Searches.", "input_schema": plain, "defer_loading": False},
        {"name": "mcp__clock__now", "description": "The time.", "input_schema": {"type": "object"}},
        {"name": "mcp__acme.tickets__list/all", "input_schema": nested, "eager_input_streaming": True},
    ]
    more = [{"name": f"mcp__tracker__tool_{index}", "input_schema": {"type": "object"}} for index in range(20)]
    return [*mcp, *built_in, *more[:-1], {**more[-1], "cache_control": _CACHED}]


_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def request(agent: str, *turns: Mapping[str, Any], stream: bool = True, **more: Any) -> dict[str, Any]:
    """One request; the conversation goes on behind an earlier turn, of which another provider gave the call's id."""
    reminder = {"type": "text", "text": "<system-reminder>\nToday is a day.\n</system-reminder>"}
    call = {"type": "tool_use", "id": FOREIGN_ID, "name": LONG_TOOL, "input": {"path": "a"}}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
    result = {"type": "tool_result", "tool_use_id": FOREIGN_ID, "content": [{"type": "text", "text": "found"}]}
    return {
        "model": agent,
        "max_tokens": 64_000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.252"},
            {"type": "text", "text": "You are an agent for the command line.", "cache_control": _CACHED},
            {"type": "text", "text": "Be brief. " * 400, "cache_control": {**_CACHED, "scope": "global"}},
        ],
        "messages": [
            {
                "role": "user",
                "content": [reminder, {"type": "text", "text": "What is there?", "cache_control": _CACHED}],
            },
            {"role": "assistant", "content": [thought, call]},
            {"role": "user", "content": [result]},
            *turns,
        ],
        "tools": tools(),
        "metadata": {"user_id": user_id()},
        "thinking": {"type": "adaptive", "budget_tokens": 0},
        "output_config": {"effort": "xhigh"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "stop_sequences": [],
        "mcp_servers": [],
        "service_tier": "auto",
        "speed": "standard",
        "temperature": 1,
        "stream": stream,
        **more,
    }
