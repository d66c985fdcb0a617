"""The banner of `serinus serve` for a person at a terminal: addresses, agents, where the admin token is.

It names no secret: no token, no key, no address of the store.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import __version__, logs
from gateway.config import Deployment, GatewaySettings
from gateway.number_words import weight
from gateway.replica.listening import local_url
from gateway.rollout.table import Entry
from gateway.terminal import (
    Palette,
    columns_of,
    cut,
    is_terminal,
    one_line,
    padded,
    palette,
    terminal_size,
)  # fmt: skip
from policies.rollout.state import WHOLE_WEIGHT
from routing.agents import Agent

_MOST_AGENTS = 12
_LABEL_COLUMNS = 15


@dataclass(frozen=True, slots=True)
class Banner:
    """Lines of a banner, each a label and its text; and agents by name, each with what serves it."""

    lines: tuple[tuple[str, str], ...]
    agents: tuple[tuple[str, str], ...]

    def text(self, colours: Palette, columns: int) -> str:
        """Return the banner in at most so many columns, beside addresses, which are not cut."""
        return "\n".join(["", colours.bold(f"Serinus {__version__}"), "", *self._rows(colours, columns), "", ""])

    def _rows(self, colours: Palette, columns: int) -> Iterator[str]:
        for label, text in self.lines:
            shown = colours.cyan(text) if text.startswith("http") else cut(text, columns - _LABEL_COLUMNS - 2)
            yield f"  {colours.dim(padded(label, _LABEL_COLUMNS))}{shown}"
        if not self.agents:
            return
        yield f"  {colours.dim('agents')}"
        shown_agents = self.agents[:_MOST_AGENTS]
        widest = min(max(columns_of(name) for name, _ in shown_agents), 30)
        for name, text in shown_agents:
            label = padded(cut(name, 30), widest)
            yield f"    {colours.bold(label)}  {cut(text, columns - widest - 6)}"
        if left := len(self.agents) - len(shown_agents):
            yield f"    and {left} more: 'serinus status'"


def show(said: Banner, environ: Mapping[str, str]) -> None:
    """Write the banner where a person reads the log at a terminal."""
    if is_terminal(sys.stdout) and logs.is_text(logs.format_of(environ)):
        with suppress(OSError, UnicodeError):  # a terminal that has gone, or without such letters
            sys.stdout.write(said.text(palette(sys.stdout, environ), terminal_size().columns))
            sys.stdout.flush()


def banner(
    deployment: Deployment,
    folder: Path,
    port: int,
    *,
    is_new_token: bool,
    entries: Mapping[str, Entry | None] | None = None,
) -> Banner:
    """Return the banner of a gateway at that port; `entries` say how the rollouts stand, where that is known."""
    settings, agents = deployment.settings, deployment.agents
    root = local_url(settings.listen.host, port)
    lines = [
        ("base_url", f"{root}/v1"),
        ("status page", f"{(settings.public_url or root).rstrip('/')}/status"),
        ("admin token", _where_the_token_is(settings, is_new=is_new_token)),
        ("configuration", f"{one_line(str(folder.resolve()))}, read again when a file changes"),
    ]
    if not settings.listen.is_loopback:
        lines.append(("listens at", one_line(f"{settings.listen.host}, port {port}")))
    if settings.models:
        lines.append(("plain models", one_line(", ".join(map(str, settings.models)))))
    known = entries or {}
    served = ((one_line(name), one_line(_serves(agent, known.get(name)))) for name, agent in agents.items())
    return Banner(tuple(lines), tuple(served))


def _where_the_token_is(settings: GatewaySettings, *, is_new: bool) -> str:
    if is_new:
        return "above, new at each start; to keep one, set SERINUS_ADMIN_TOKEN"
    if settings.admin_token_sha256 is None:
        return "none: set SERINUS_ADMIN_TOKEN to turn on 'serinus rollout'"
    return "the one you have set; for 'serinus rollout': SERINUS_ADMIN_TOKEN"


def _serves(agent: Agent, entry: Entry | None) -> str:
    """Return the versions that serve an agent, with their weights; of an unknown rollout, as they are configured."""
    canary = agent.canary
    if canary is None:
        return agent.stable
    if entry is None:
        return f"{agent.stable}, canary {canary}"
    state, phase = entry.state, entry.state.phase if entry.state and entry.state.serves(entry.intent) else None
    share = state.weight / WHOLE_WEIGHT if state else 0.0
    match phase:
        case "running" | "paused":
            return f"{agent.stable} {weight(1 - share)}, {canary} {weight(share)} (canary, {phase})"
        case "completed":
            return f"{canary} (canary, completed)"
        case "pending":
            return f"{agent.stable}; {canary} waits at 0 % for its evaluation"
        case "rolled_back":
            return f"{agent.stable}; {canary} was rolled back"
    return f"{agent.stable}; {canary} waits for its trial"
