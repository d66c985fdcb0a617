"""Checks of prompts' variables over a trial's two versions, and of the ids by which clients may name prompts."""

import json
from collections.abc import Iterator, Mapping

from gateway.config.crosscheck import Known, entries
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted, unknown
from routing.agents import Agent, AgentVersion, PromptInput


def input_problems(entry: Node, path: Path, versions: Mapping[str, AgentVersion]) -> Iterator[Problem]:
    """Return what the canary refuses of calls that stable takes: it would fail their callers on one arm alone."""
    stable, canary = entry.get("stable"), entry.get("canary")
    if stable is None or canary is None:
        return
    trusted, tried = versions.get(stable.text or ""), versions.get(canary.text or "")
    if trusted is None or tried is None:
        return
    for name, declared in tried.inputs.items():
        if why := _refused(declared, trusted.inputs.get(name)):
            message = f"{tried.name} would refuse calls that {trusted.name} serves: its input {quoted(name)} {why}"
            yield canary.problem((*path, "canary"), message)


def shadow_warnings(agent: Agent) -> Iterator[str]:
    """Yield the inputs that a shadow needs and stable does not: calls that give no value are not copied."""
    shadow = None if agent.shadow is None else agent.versions[agent.shadow.version]
    stable = agent.versions[agent.stable].inputs
    for name, declared in shadow.inputs.items() if shadow is not None else ():
        if declared.is_needed and (name not in stable or not stable[name].is_needed):
            yield f"agent {agent.name}: calls without a value of {name!r} are not copied to its shadow, which needs one"


def _refused(canary: PromptInput, stable: PromptInput | None) -> str:
    """Return what the canary refuses of an input, with the remedy; '' for nothing."""
    if stable is None:
        return "has no default, and stable does not know it; give it a default" if canary.is_needed else ""
    if canary.is_needed and not stable.is_needed:
        return "has no default, and stable does not need it; give it a default"
    if canary.type != stable.type:
        return f"is of type {canary.type}, and stable's of type {stable.type}; give the new one another name"
    if canary.enum and (left_out := _left_out(canary.enum, stable.enum)):
        return f"does not take {left_out}, which stable takes; add it, or give the new one another name"
    if canary.max_length is not None and (stable.max_length is None or canary.max_length < stable.max_length):
        return f"takes at most {canary.max_length}, and stable's more; raise `max_length`" if not canary.enum else ""
    return ""


def _left_out(canary: tuple[str, ...], stable: tuple[str, ...]) -> str:
    if not stable:
        return "every value"
    return next((quoted(json.loads(text)) for text in stable if text not in canary), "")


def prompt_id_problems(root: Node, known: Known) -> Iterator[Problem]:
    """Return the ids of prompts in `routing.yaml` that would hide an agent, or lead nowhere."""
    agents = known.agents or ()
    for id_, agent in entries(root, "prompt_ids"):
        path: Path = ("prompt_ids", id_)
        if id_ in agents:
            yield agent.problem(path, f"{quoted(id_)} is an agent already, and so a prompt's id; remove it")
        if known.agents is not None and agent.text is not None and agent.text not in agents:
            yield agent.problem(path, unknown("agent", agent.text, agents))
