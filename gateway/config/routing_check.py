"""Checks of `routing.yaml`: how its values fit together, and with the versions' files. See `crosscheck`."""

from collections.abc import Collection, Iterator, Mapping

from gateway.config import quantities
from gateway.config.crosscheck import Known, entries, provider_known
from gateway.config.input_check import input_problems
from gateway.config.limit_settings import limit_problems
from gateway.config.nodes import Node, Path
from gateway.config.problems import MAX_PROBLEMS, Problem, quoted, unknown
from gateway.config.review_settings import review_problems
from gateway.config.rule_check import rule_problems
from gateway.config.timeout_settings import LONGEST
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, Guardrail, parse
from routing.agents import AgentVersion
from routing.chain import HUMAN

_NOBODY_HEARS = (
    "nobody is told of conversations that `human` gets; in gateway.yaml set `escalation.webhook`, or "
    "`escalation: {desk: true}` if people watch `serinus escalations`; or remove `human`"
)


def routing_problems(root: Node, known: Known) -> Iterator[Problem]:
    """Return the contradictions within `routing.yaml`, and between it and the versions' files."""
    for agent, entry in entries(root, "agents"):
        path = ("agents", agent)
        yield from _trial_problems(entry, path)
        yield from _steps_problems(entry, path)
        yield from _guardrail_problems(entry, path)
        yield from _version_problems(entry, path, known)
        yield from _same_content(entry, path, known.versions.get(agent, {}))
        yield from input_problems(entry, path, known.versions.get(agent, {}))
        yield from _fallback_problems(entry, path, known)
        yield from _shadow_problems(entry, path)
        yield from _hedge_problems(entry, path)
        yield from _timeout_problems(entry, path, known.total_seconds)
        yield from review_problems(entry, path)
        yield from rule_problems(agent, entry, path, known)
        yield from limit_problems(entry.get("limits"), (*path, "limits"))


def _trial_problems(entry: Node, path: Path) -> Iterator[Problem]:
    stable, canary, weight, steps = (_set(entry.get(key)) for key in ("stable", "canary", "weight", "steps"))
    if canary is not None and weight is None and steps is None:
        yield canary.problem((*path, "canary"), "a canary needs a weight; add `weight: 5%` or `steps`")
    if weight is not None and steps is not None:
        yield weight.problem((*path, "weight"), "`steps` replace `weight`; keep only one of them")
    if canary is not None and stable is not None and canary.value == stable.value:
        yield canary.problem((*path, "canary"), f"{quoted(canary.value)} is also `stable`; name another version")
    if canary is not None:
        return
    for key, node, words in (("weight", weight, "a weight needs"), ("steps", steps, "steps need")):
        if node is not None:
            way_out = f"add `canary: <version>` or remove the {key}"
            yield node.problem((*path, key), f"{words} a canary; {way_out}")


def _set(node: Node | None) -> Node | None:
    return node if node is not None and node.value is not None else None


def _steps_problems(entry: Node, path: Path) -> Iterator[Problem]:
    steps = entry.get("steps")
    before: Node | None = None
    for index, step in enumerate(steps.items if steps else ()):
        weight = step.get("weight")
        share = _basis_points(weight)
        if weight is None or share is None:
            continue
        if before is not None and share <= (_basis_points(before) or 0):
            message = f"{weight.value} is not more than {before.value} before it; the weight must rise with every step"
            yield weight.problem((*path, "steps", index, "weight"), message)
        before = weight


def _basis_points(weight: Node | None) -> int | None:
    try:
        return quantities.basis_points(weight.value) if weight is not None else None
    except ValueError:
        return None


def _guardrail_problems(entry: Node, path: Path) -> Iterator[Problem]:
    """Return metrics with two limits of one kind, and signals that repeat a guardrail."""
    limits = list(_parsed(entry, "guardrails"))
    signals = list(_parsed(entry, "signals"))
    yield from _repeated("guardrails", limits, path)
    yield from _repeated("signals", signals, path)
    unwritten = _set(entry.get("guardrails")) is None
    rolling_back = [parse(text) for text in DEFAULT_GUARDRAILS] if unwritten else [limit for _, _, limit in limits]
    for index, node, signal in signals:
        if any(_same(signal, limit) for limit in rolling_back):
            message = f"{signal.text} is already a guardrail{' by default' if unwritten else ''}; remove the signal"
            yield node.problem((*path, "signals", index), message)


def _parsed(entry: Node, key: str) -> Iterator[tuple[int, Node, Guardrail]]:
    """The limits that can be read, each with its place."""
    written = entry.get(key)
    for index, node in enumerate(written.items[:MAX_PROBLEMS] if written else ()):
        try:
            yield index, node, parse(node.text or "")
        except ValueError:
            continue


def _repeated(key: str, limits: list[tuple[int, Node, Guardrail]], path: Path) -> Iterator[Problem]:
    first: dict[tuple[str, bool], int] = {}
    for index, node, limit in limits:
        earlier = first.setdefault((limit.metric.name, limit.relative), index)
        if earlier != index:
            message = f"a second limit of {limit.metric.name}, after {key}.{earlier}; keep one of them"
            yield node.problem((*path, key, index), message)


def _same(signal: Guardrail, limit: Guardrail) -> bool:
    return (signal.metric, signal.relative, signal.limit) == (limit.metric, limit.relative, limit.limit)


def named_versions(entry: Node) -> Iterator[tuple[Path, Node | None]]:
    """Yield the places of an agent's entry where a version is named, and what is written there."""
    for key in ("stable", "canary"):
        yield (key,), entry.get(key)
    yield ("shadow", "version"), entry.get("shadow", "version")
    rules = entry.get("rules")
    for index, rule in enumerate(rules.items if rules else ()):
        yield ("rules", index, "use"), rule.get("use")


def _version_problems(entry: Node, path: Path, known: Known) -> Iterator[Problem]:
    files = known.files.get(str(path[-1]), ())
    for place, node in named_versions(entry):
        yield from _version_known(node, (*path, *place), files, known.providers)


def _version_known(
    node: Node | None, path: Path, files: Collection[str], providers: Collection[str] | None
) -> Iterator[Problem]:
    if node is None or node.text is None or node.text in files:
        return
    if "/" in node.text:  # a plain model
        yield from provider_known(node, path, providers)
        return
    hint = "" if files else f"; a version is a file, here agents/{path[1]}/{node.text}.yaml"
    yield node.problem(path, unknown("version", node.text, files) + hint)


def _same_content(entry: Node, path: Path, versions: Mapping[str, AgentVersion]) -> Iterator[Problem]:
    stable, canary = entry.get("stable"), entry.get("canary")
    if stable is None or canary is None or stable.value == canary.value:
        return
    trusted, tried = versions.get(stable.text or ""), versions.get(canary.text or "")
    if trusted is not None and tried is not None and trusted.digest == tried.digest:
        message = f"{tried.name} has the same content as {trusted.name}; change the canary first"
        yield canary.problem((*path, "canary"), message)


def _shadow_problems(entry: Node, path: Path) -> Iterator[Problem]:
    """A version that answers clients anyway learns nothing from copies."""
    version = _set(entry.get("shadow", "version"))
    for key, role in (("stable", "stable"), ("canary", "the canary")):
        arm = entry.get(key)
        if version is not None and arm is not None and arm.value == version.value:
            message = f"{quoted(version.value)} is {role} already; a shadow needs another version"
            yield version.problem((*path, "shadow", "version"), message)


def _fallback_problems(entry: Node, path: Path, known: Known) -> Iterator[Problem]:
    fallback = entry.get("fallback")
    items = fallback.items if fallback else ()
    seen: set[str | None] = set()
    for index, target in enumerate(items):
        here: Path = (*path, "fallback", index)
        if target.value == HUMAN and index < len(items) - 1:
            yield target.problem(here, "`human` must be the last target; nothing comes after a person")
        elif target.text is not None and target.text in seen:
            yield target.problem(here, f"{quoted(target.value)} is in the chain already")
        elif target.value != HUMAN:
            yield from provider_known(target, here, known.providers)
        elif known.has_people is False:
            yield target.problem(here, _NOBODY_HEARS)
        seen.add(target.text)


def _hedge_problems(entry: Node, path: Path) -> Iterator[Problem]:
    """A hedge needs somewhere to go, and nobody asks a person to race a model."""
    hedge, fallback = _set(entry.get("hedge")), entry.get("fallback")
    if hedge is not None and all(target.value == HUMAN for target in (fallback.items if fallback else ())):
        message = "a hedge needs a second target; add `fallback: [<provider>/<model>]` or remove the hedge"
        yield hedge.problem((*path, "hedge"), message)


def _timeout_problems(entry: Node, path: Path, general: float | None) -> Iterator[Problem]:
    """Return the limits of an agent that never apply, because the whole call ends before."""
    written = entry.get("timeouts")
    total = _set(entry.get("timeouts", LONGEST))
    longest = general if total is None else _seconds(total)
    for key, node in written.entries.items() if written is not None and longest is not None else ():
        seconds = _seconds(node)
        if longest is not None and seconds is not None and seconds > longest:
            whose = f"the gateway's `{LONGEST}`" if total is None else f"`{LONGEST}`"
            end = quantities.show_seconds(longest)
            message = f"is longer than {whose}, {end}, which ends the call; raise `{LONGEST}` of this agent too"
            yield node.problem((*path, "timeouts", key), message)


def _seconds(node: Node) -> float | None:
    try:
        return quantities.seconds(node.value)
    except ValueError:
        return None
