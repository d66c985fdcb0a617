"""Schema of `judge` in `routing.yaml`, what is wrong with it, and the judge that it describes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from gateway.config import fields
from gateway.config.crosscheck import Known, entries, provider_known
from gateway.config.fields import StepWeight, StrictModel, TargetText
from gateway.config.nodes import Node
from gateway.config.nodes import Path as KeyPath
from gateway.config.problems import Problem, quoted
from gateway.config.prompts import PromptFolder
from gateway.config.strict_yaml import UnreadableError
from gateway.judging.rubric import digest_of, short_digest
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.metrics import JUDGED_QUALITY
from routing.agents import Agent, JudgeRules

_NANO: Final = 1_000_000_000
_LEAST_USD: Final = 1e-9  # nothing below a nano-dollar is counted
_MOST_USD: Final = 1_000_000
_LONGEST_RUBRIC: Final = 20_000  # characters: each judged call pays for them
USUAL_GUARDRAIL: Final = f"{JUDGED_QUALITY.name} <= stable * 1.20"


class JudgeEntry(StrictModel):
    """A model that grades a sample of an agent's live calls by a rubric."""

    target: TargetText = Field(
        description="The model that grades, as provider/model; it needs a price. Better another one than a version's: "
        "models favour their own answers."
    )
    rubric: Annotated[str, Field(min_length=1, max_length=1_000)] = Field(
        description="The file with the rubric, in agents/<agent>/ or in the configuration folder, such as "
        "judges/support.md. At most 20,000 characters. Another rubric, or another target, is another judge: "
        "its verdicts start anew."
    )
    sample: StepWeight = Field(
        description="The share of the calls that are graded, above 0%. During a trial as many of either arm: at a "
        "weight of 5%, `sample: 2%` grades 20% of the canary's calls and 1% of stable's."
    )
    max_cost_per_day: float = Field(
        ge=_LEAST_USD,
        le=_MOST_USD,
        description="Daily (UTC) spend limit of the judge in USD, over all replicas. Each call is reserved before it "
        "goes out, so it holds; when it is spent, judging pauses until the next day.",
    )
    trusted: bool = Field(
        default=False,
        description="Whether a guardrail may act on this judge before people's labels show that it agrees with them "
        "(κ of 0.4 or more over 30 labels). Default: false; until then its guardrail is a signal.",
    )


def judge_problems(root: Node, known: Known, folder: Path) -> Iterator[Problem]:
    """Return what is wrong with the judges of `routing.yaml`, and the guardrails that need one and have none."""
    for agent, entry in entries(root, "agents"):
        path: KeyPath = ("agents", agent)
        judge = entry.get("judge")
        if judge is None or judge.value is None:
            if judge is not None:
                yield judge.problem((*path, "judge"), "is empty; give `target`, `rubric`, … or remove it")
            yield from _lone_guardrails(entry, path)
        else:
            yield from _judge_problems(judge, entry, (*path, "judge"), known, PromptFolder(folder, agent))
        yield from _named_judges(entry, path)


def with_judges(
    agents: Mapping[str, Agent], written: Mapping[str, JudgeEntry | None], folder: Path
) -> dict[str, Agent]:
    """Return the agents with their judges, whose digests stand in the guardrails that count their verdicts.

    `written` has the entry of each agent; `judge_problems` has found none in them.
    """
    found = dict(agents)
    for name, agent in agents.items():
        if (entry := written[name]) is not None:
            judge = _rules(entry, PromptFolder(folder, name).read(entry.rubric)[1])
            guardrails, signals = (_by(judge, texts) for texts in (_guardrails(agent), agent.signals))
            found[name] = replace(agent, judge=judge, guardrails=guardrails, signals=signals)
    return found


def _rules(entry: JudgeEntry, rubric: str) -> JudgeRules:
    target = fields.target(entry.target)
    limit = round(entry.max_cost_per_day * _NANO)
    return JudgeRules(target, rubric, entry.sample, limit, entry.trusted, digest_of(target.name, rubric))


def _guardrails(agent: Agent) -> tuple[str, ...]:
    """Return the agent's guardrails; the default ones with the judge's, unless that is a signal."""
    is_default = agent.guardrails is DEFAULT_GUARDRAILS and not any(parse(each).by_judge for each in agent.signals)
    return (*agent.guardrails, USUAL_GUARDRAIL) if is_default else agent.guardrails


def _by(judge: JudgeRules, limits: tuple[str, ...]) -> tuple[str, ...]:
    """Return the limits, those on a judge's verdicts with the judge whose they are."""
    return tuple(f"{text} by {short_digest(judge.digest)}" if parse(text).by_judge else text for text in limits)


def _judge_problems(judge: Node, entry: Node, path: KeyPath, known: Known, folder: PromptFolder) -> Iterator[Problem]:
    target, rubric = judge.get("target"), judge.get("rubric")
    if target is not None:
        yield from provider_known(target, (*path, "target"), known.providers)
    if rubric is not None and rubric.text:
        yield from _rubric_problems(rubric, (*path, "rubric"), folder)
    recorded = entry.get("record_content")
    if recorded is None or recorded.value in (None, False, "off"):
        message = (
            "reads the texts of calls, and this agent records none; add `record_content: all`, or a mapping with "
            "`sample`: calls whose texts are not kept are not judged"
        )
        yield judge.problem(path, message)


def _rubric_problems(rubric: Node, path: KeyPath, folder: PromptFolder) -> Iterator[Problem]:
    try:
        _, text = folder.read(rubric.text or "")
    except UnreadableError as error:
        yield rubric.problem(path, f"{quoted(rubric.text)} {error}")
        return
    if not text.strip():
        yield rubric.problem(path, f"{quoted(rubric.text)} is empty; write down what a good answer is")
    elif len(text) > _LONGEST_RUBRIC:
        yield rubric.problem(path, f"{quoted(rubric.text)} has more than {_LONGEST_RUBRIC:,} characters; shorten it")


def _lone_guardrails(entry: Node, path: KeyPath) -> Iterator[Problem]:
    for key, index, node in _limits(entry):
        if (node.text or "").lstrip().startswith(JUDGED_QUALITY.name):
            message = f"{JUDGED_QUALITY.name} counts verdicts of a judge, and this agent has none; add `judge`"
            yield node.problem((*path, key, index), message)


def _named_judges(entry: Node, path: KeyPath) -> Iterator[Problem]:
    for key, index, node in _limits(entry):
        head, by, _ = (node.text or "").partition(" by ")
        if by:
            yield node.problem((*path, key, index), f"which judge counts is told by `judge`; write `{head.strip()}`")


def _limits(entry: Node) -> Iterator[tuple[str, int, Node]]:
    for key in ("guardrails", "signals"):
        written = entry.get(key)
        for index, node in enumerate(written.items if written is not None else ()):
            yield key, index, node
