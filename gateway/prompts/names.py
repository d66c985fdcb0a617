"""Prompts that a request may name as `prompt.id`, and the agents whose prompts have variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import LONGEST_SHOWN, CallerError, UnknownModel
from gateway.json_body import Document, encode
from gateway.prompts.request_values import PROMPT, without_members
from routing.agents import Agent

_GOING_ON: Final = ("previous_response_id", "conversation")  # then a call may say nothing by itself


@dataclass(frozen=True, slots=True)
class NamedPrompt:
    """A request's `prompt`: what it says, and the name of the agent that it means, perhaps with a version."""

    id: str
    model: str
    variables: Any

    @property
    def echo(self) -> Mapping[str, Any]:
        """Return the prompt as the answer repeats it, less the version that serves."""
        return {"id": self.id, "variables": self.variables}

    def put_into(self, document: Document, member: str) -> Document:
        """Return the request with the agent as its model, and with an empty list for that member, if it is left out."""
        found = without_members(document, (PROMPT, "model"))
        found.values["model"], found.texts["model"] = self.model, encode(self.model)
        if member and found.values.get(member) is None and not any(found.values.get(name) for name in _GOING_ON):
            found.values[member], found.texts[member] = [], "[]"
        return found


@dataclass(frozen=True, slots=True)
class PromptNames:
    """Prompts of one configuration. `versions` are those of each agent, `ids` other names of agents.

    `agents_with_inputs` take values out of requests: they have a version that declares inputs.
    """

    versions: Mapping[str, frozenset[str]]
    ids: Mapping[str, str]
    agents_with_inputs: frozenset[str]

    @classmethod
    def of(cls, agents: Mapping[str, Agent], ids: Mapping[str, str]) -> "PromptNames":
        """Return the prompts of these agents."""
        versions = {name: frozenset(agent.versions) for name, agent in agents.items()}
        takes = (name for name, agent in agents.items() if any(each.inputs for each in agent.versions.values()))
        return cls(versions, ids, frozenset(takes))

    def find(self, values: Mapping[str, Any]) -> NamedPrompt | None:
        """Return the prompt that a request names; None where its `prompt` is none of ours.

        Raises CallerError, and UnknownModel where the request names no model that could have it.
        """
        prompt = values.get(PROMPT)
        if not isinstance(prompt, dict) or not isinstance(named := prompt.get("id"), str):
            return None
        agent = self.ids.get(named, named if named in self.versions else None)
        if agent is None:
            if values.get("model") is None:
                refuse_unknown(values)
            return None
        version, variables = prompt.get("version"), prompt.get("variables")
        if version is None:
            return NamedPrompt(named, agent, variables)
        if not isinstance(version, str) or not version:
            raise CallerError("'prompt.version' must be a string", param="prompt.version")
        return NamedPrompt(named, f"{agent}@{self._version(agent, version)}", variables)

    def _version(self, agent: str, version: str) -> str:
        """Return the version that is meant: other APIs count theirs, and ours may be called `v3`."""
        known = self.versions[agent]
        counted = f"v{version}"
        return counted if version not in known and version.isdecimal() and counted in known else version


def refuse_unknown(values: Mapping[str, Any]) -> None:
    """Raise UnknownModel for a request whose `prompt` names no agent, CallerError where it names nothing."""
    prompt = values.get(PROMPT)
    if prompt is None:
        return
    named = prompt.get("id") if isinstance(prompt, dict) else None
    if not isinstance(named, str):
        raise CallerError("'prompt' must be an object with an `id`: the name of an agent", param=PROMPT)
    shown = named if len(named) <= LONGEST_SHOWN else f"{named[:LONGEST_SHOWN]}…"
    message = f"the prompt {shown!r} does not exist; name an agent, or list the id in `prompt_ids`"
    raise UnknownModel(message, param="prompt.id")
