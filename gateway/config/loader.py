"""Read the folder, find everything that is wrong with it, and resolve it into values."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.config import fields, quantities
from gateway.config.content_settings import content_rules
from gateway.config.crosscheck import ANYBODY, Known, KnownCaller, entries, gateway_problems
from gateway.config.environment import Expanded, expand
from gateway.config.evaluation_record import with_evaluations
from gateway.config.gateway_file import GatewaySettings
from gateway.config.input_check import prompt_id_problems, shadow_warnings
from gateway.config.judge_settings import judge_problems, with_judges
from gateway.config.key_scope import agents_in_scope
from gateway.config.limit_settings import AgentLimits
from gateway.config.model_check import alias_problems, model_problems, patterns_in
from gateway.config.nodes import Node
from gateway.config.presets import apply_presets
from gateway.config.problems import MAX_PROBLEMS, ConfigProblems, Problem
from gateway.config.review_settings import review_rules
from gateway.config.routing_check import named_versions, routing_problems
from gateway.config.routing_file import AgentEntry, HedgeEntry, RoutingFile, ShadowEntry
from gateway.config.strict_yaml import Parsed, read_yaml
from gateway.config.tenancy import shared_accounts
from gateway.config.timeout_settings import LONGEST, TimeoutSettings, resolve
from gateway.config.validation import validate
from gateway.config.version_files import VersionFiles, read_versions
from gateway.config.versions import VersionContext, build_versions
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from routing.agents import Agent, AgentVersion, Hedge, RolloutStep, Shadow
from routing.chain import HUMAN
from routing.models import plain_version
from routing.rules import Rule

GATEWAY_FILE: Final = "gateway.yaml"
ROUTING_FILE: Final = "routing.yaml"
AGENTS_FOLDER: Final = "agents"

_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]{0,60}\}")  # what a shell would fill in
_NANO: Final = 1_000_000_000  # sums of money are whole nano-dollars

Versions = Mapping[str, Mapping[str, AgentVersion]]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A configuration that is well, resolved. `digest` is 64 hex digits over all of it but the secrets' values.

    `written` is how secrets and URLs stand in the file, with `${NAME}` in place of values, by their dotted path.
    """

    settings: GatewaySettings
    agents: Mapping[str, Agent]
    digest: str
    warnings: tuple[str, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    prompt_ids: Mapping[str, str] = field(default_factory=dict)
    agent_limits: Mapping[str, AgentLimits] = field(default_factory=dict)

    @property
    def longest_call(self) -> float:
        """Return the seconds after which every call has ended, whichever agent it is of."""
        own = (agent.timeouts.total for agent in self.agents.values() if agent.timeouts is not None)
        return max((self.settings.timeouts.total, *own))


def load(folder: Path, environ: Mapping[str, str]) -> Deployment:
    """The deployment that the files in `folder` describe. Raises ConfigProblems with everything that is wrong."""
    try:
        return _load(folder, environ)
    except OSError as error:  # a folder on the way that may not be looked into
        raise ConfigProblems(
            [Problem(str(error.filename or folder), 0, "", f"cannot be read: {error.strerror}")]
        ) from None


def _load(folder: Path, environ: Mapping[str, str]) -> Deployment:
    if not folder.is_dir():
        raise ConfigProblems([Problem(str(folder), 0, "", "is no folder; name the one that holds gateway.yaml")])
    gateway, routing = (_read(folder, name) for name in (GATEWAY_FILE, ROUTING_FILE))
    files = read_versions(folder / AGENTS_FOLDER, str(folder / AGENTS_FOLDER))
    return _Loading(folder, environ).deployment(gateway, routing, files)


def _read(folder: Path, name: str) -> Parsed:
    other = Path(name).with_suffix(".yml")
    if not (folder / name).exists() and (folder / other).exists():
        return Parsed(None, (Problem(str(folder / name), 0, "", f"file not found; rename {other} to {name}"),))
    return read_yaml(folder / name, str(folder / name))


class _Loading:
    """A load: collects problems and warnings of every part before it fails or returns."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._problems: list[Problem] = []
        self._warnings: list[str] = []

    def deployment(self, gateway: Parsed, routing: Parsed, files: VersionFiles) -> Deployment:
        self._problems += [*gateway.problems, *routing.problems, *files.problems]
        self._warnings += [*files.warnings, *_misnamed(self._folder)]
        expanded = self._expanded(gateway.root)
        versions = self._versions(files, _names(expanded.root if expanded else None, "providers"), routing.root)
        known = _known(expanded, routing, files, versions)
        settings = self._settings(expanded, known)
        table = self._routing(routing.root, known)
        if self._problems or settings is None or table is None or expanded is None:
            raise ConfigProblems(self._problems)
        agents = {name: _agent(name, entry, versions[name], settings.timeouts) for name, entry in table.agents.items()}
        agents = with_evaluations(agents, table.agents, self._folder)
        agents = with_judges(agents, {name: entry.judge for name, entry in table.agents.items()}, self._folder)
        self._warnings += [*_settings_warnings(settings), *_agent_warnings(agents, files)]
        self._warnings += shared_accounts(settings, agents, expanded.written)
        aliases, prompt_ids = dict(table.aliases), dict(table.prompt_ids)
        limits = {name: entry.limits for name, entry in table.agents.items() if entry.limits}
        digest = _digest(settings, expanded.written, agents, aliases, prompt_ids, limits=limits)
        return Deployment(
            settings,
            MappingProxyType(agents),
            digest,
            tuple(self._warnings),
            expanded.written,
            MappingProxyType(aliases),
            MappingProxyType(prompt_ids),
            MappingProxyType(limits),
        )

    def _expanded(self, root: Node | None) -> Expanded | None:
        """Return `gateway.yaml` with presets and environment in it. A mistaken preset is a problem of its place."""
        if root is None:
            return None
        filled, problems = apply_presets(root)
        expanded = expand(filled, self._environ)
        return replace(expanded, problems=(*problems, *expanded.problems))

    def _versions(self, files: VersionFiles, providers: tuple[str, ...] | None, routing: Node | None) -> Versions:
        built: dict[str, Mapping[str, AgentVersion]] = {}
        for agent, nodes in files.agents.items():
            built[agent], found = build_versions(agent, nodes, VersionContext(self._folder, providers))
            self._problems += found
        for agent, entry in entries(routing, "agents") if routing is not None else ():
            built[agent] = {**_plain_versions(entry), **built.get(agent, {})}
        return built

    def _settings(self, expanded: Expanded | None, known: Known) -> GatewaySettings | None:
        if expanded is None:
            return None
        settings, found = validate(GatewaySettings, expanded.root)
        noted = {problem.path for problem in expanded.problems}  # nobody needs to hear that "${X}" is no URL
        found += islice(gateway_problems(expanded.root, known, self._folder), MAX_PROBLEMS + 1)
        found += islice(model_problems(expanded.root, known), MAX_PROBLEMS + 1)
        self._problems += [*expanded.problems, *(problem for problem in found if problem.path not in noted)]
        return settings if settings is None else _with_absolute_paths(settings, self._folder)

    def _routing(self, root: Node | None, known: Known) -> RoutingFile | None:
        if root is None:
            return None
        routing, found = validate(RoutingFile, root)
        self._problems += [*found, *islice(routing_problems(root, known), MAX_PROBLEMS + 1)]
        self._problems += islice(alias_problems(root, known), MAX_PROBLEMS + 1)
        self._problems += islice(prompt_id_problems(root, known), MAX_PROBLEMS + 1)
        self._problems += islice(judge_problems(root, known, self._folder), MAX_PROBLEMS + 1)
        return routing


def _plain_versions(entry: Node) -> Mapping[str, AgentVersion]:
    """The versions of an agent that are written as `provider/model` and have no file."""
    texts = (node.text for _, node in named_versions(entry) if node is not None)
    targets = (fields.target(text) for text in texts if text is not None and re.fullmatch(fields.TARGET_PATTERN, text))
    return {target.name: plain_version(target) for target in targets}


def _known(expanded: Expanded | None, routing: Parsed, files: VersionFiles, versions: Versions) -> Known:
    providers = _names(expanded.root if expanded else None, "providers")
    has_people = None if expanded is None else _has_people(expanded.root)
    models = None if expanded is None else patterns_in(expanded.root, "models") or ()
    callers = None if expanded is None else _callers(expanded.root)
    total = None if expanded is None else _total_seconds(expanded.root)
    agents = _names(routing.root, "agents")
    return Known(providers, agents, files.agents, versions, has_people, models, callers, total)


def _total_seconds(root: Node) -> float | None:
    """Return the gateway's limit of a whole call; None where it cannot be read."""
    written = root.get("timeouts", LONGEST)
    try:
        return TimeoutSettings().total if written is None else quantities.seconds(written.value)
    except ValueError:
        return None


def _callers(root: Node) -> list[KnownCaller] | None:
    """Return whom the keys stand for; None where that cannot be read."""
    keys = root.get("keys")
    if keys is None or not keys.value:
        return [ANYBODY]
    found = []
    for name, key in keys.entries.items():
        group, agents = key.get("group"), key.get("agents")
        if not isinstance(key.value, Mapping) or (group is not None and group.text is None):
            return None
        models = key.get("models")
        named = None if agents is None else tuple(each.text or "" for each in agents.items)
        named = agents_in_scope(named, None if models is None else models.items)
        found.append(KnownCaller(name, "default" if group is None else group.text or "", named))
    return found


def _has_people(root: Node) -> bool:
    """Return whether handovers reach people, by a webhook or at a desk."""
    webhook, desk = root.get("escalation", "webhook"), root.get("escalation", "desk")
    return (webhook is not None and webhook.value is not None) or (desk is not None and desk.value is True)


def _names(root: Node | None, key: str) -> tuple[str, ...] | None:
    """The names below a key, or None where they cannot be known."""
    node = root.get(key) if root is not None else None
    return tuple(node.entries) if node is not None and isinstance(node.value, Mapping) else None


def _with_absolute_paths(settings: GatewaySettings, folder: Path) -> GatewaySettings:
    """Certificates are looked for in the configuration folder, wherever the process was started."""
    providers = dict(settings.providers)
    for name, provider in settings.providers.items():
        if provider.ca_file is not None:
            providers[name] = provider.model_copy(update={"ca_file": (folder / provider.ca_file).absolute()})
    return settings.model_copy(update={"providers": providers})


def _agent(name: str, entry: AgentEntry, versions: Mapping[str, AgentVersion], timeouts: TimeoutSettings) -> Agent:
    return Agent(
        name=name,
        versions=MappingProxyType(dict(versions)),
        stable=entry.stable,
        canary=entry.canary,
        steps=_steps(entry),
        sticky=entry.sticky,
        rules=tuple(Rule(MappingProxyType(dict(rule.when)), rule.use) for rule in entry.rules),
        fallback=tuple(fields.chain_target(text) for text in entry.fallback),
        guardrails=DEFAULT_GUARDRAILS if entry.guardrails is None else entry.guardrails,
        signals=entry.signals,
        shadow=_shadow(entry.shadow),
        hedge=_hedge(entry.hedge),
        running=entry.running,
        idle=entry.idle,
        timeouts=resolve(entry.timeouts, timeouts),
        content=content_rules(entry.record_content),
        review=review_rules(entry.review),
    )


def _shadow(entry: ShadowEntry | None) -> Shadow | None:
    if entry is None:
        return None
    usd = entry.max_usd_per_day
    return Shadow(entry.version, entry.sample, entry.max_per_minute, None if usd is None else round(usd * _NANO))


def _hedge(entry: HedgeEntry | None) -> Hedge | None:
    if entry is None:
        return None
    if entry.after.startswith("p"):
        return Hedge(int(entry.after[1:]) / 100, None, entry.budget)
    return Hedge(None, quantities.seconds(entry.after), entry.budget)


def _steps(entry: AgentEntry) -> tuple[RolloutStep, ...]:
    """Return the steps; a plain weight is one step, which nothing leaves by itself."""
    if entry.steps is not None:
        return tuple(
            RolloutStep(step.weight, step.hold, step.min_requests, step.approval is not None) for step in entry.steps
        )
    return () if entry.weight is None else (RolloutStep(entry.weight),)


def _misnamed(folder: Path) -> Iterator[str]:
    """Yield a warning for each file that would be read under another ending."""
    for name in (GATEWAY_FILE, ROUTING_FILE):
        other = Path(name).with_suffix(".yml")
        if (folder / other).exists():
            yield f"{other} is not used: rename it to {name}"


def _settings_warnings(settings: GatewaySettings) -> Iterator[str]:
    for name, provider in settings.providers.items():
        if provider.api_key is None and provider.is_public:
            yield f"provider {name} has no api_key, which {provider.base_url} asks for"
        if provider.api_key is not None and provider.base_url.startswith("http://"):
            yield f"provider {name}: its key travels unencrypted to {provider.base_url}"


def _agent_warnings(agents: Mapping[str, Agent], files: VersionFiles) -> Iterator[str]:
    for name in files.agents.keys() - agents.keys():
        yield f"agents/{name} is not served: routing.yaml does not name it"
    for agent in agents.values():
        yield from shadow_warnings(agent)
        if agent.canary is not None and not agent.guardrails:
            climbs = any(step.hold is not None for step in agent.steps)
            blind = ", and its steps go on by the clock alone" if climbs else ""
            yield f"agent {agent.name} has no guardrails: nothing rolls {agent.canary} back{blind}"
        for version in agent.versions.values():
            if version.system_prompt and (found := _VARIABLE.search(version.system_prompt)):
                place = f"agent {agent.name}: the prompt of {version.name} holds {found[0]}"
                yield f"{place}, which goes to the model as it is: a variable of the prompt is written {{{{name}}}}"
        for version in agent.versions.values() if agent.hedge is not None else ():
            if all(target in (version.target, HUMAN) for target in agent.fallback):
                yield f"agent {agent.name}: {version.name} is never hedged, as {version.target} is its only target"


def _digest(
    settings: GatewaySettings,
    written: Mapping[str, str],
    agents: Mapping[str, Agent],
    *names: Mapping[str, str],
    limits: Mapping[str, AgentLimits],
) -> str:
    """SHA-256 over the resolved content. A secret takes part as it is written (`${NAME}`), never as its value."""
    content = {
        "settings": settings.model_dump(mode="json"),
        "written": dict(written),
        "agents": {name: _content(agent) for name, agent in agents.items()},
        **dict(zip(("aliases", "prompt_ids"), map(dict, names), strict=True)),
        "limits": {name: each.model_dump(mode="json") for name, each in limits.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _content(agent: Agent) -> dict[str, object]:
    return {
        "versions": {name: version.digest for name, version in agent.versions.items()},
        "split": [agent.stable, agent.canary, agent.sticky.kind, agent.sticky.header],
        "steps": [astuple(step) for step in agent.steps],
        "rules": [[dict(rule.when), rule.use] for rule in agent.rules],
        "fallback": [str(target) for target in agent.fallback],
        "guardrails": list(agent.guardrails),
        "signals": list(agent.signals),
        "running": [agent.running, agent.idle],
        "calls": [rules and astuple(rules) for rules in (agent.shadow, agent.hedge, agent.timeouts, agent.evaluation)],
        "texts": [rules and astuple(rules) for rules in (agent.content, agent.review, agent.judge)],
    }
