"""`serinus trace` and `serinus conversations`: the tree of a conversation, and the list of the latest ones."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from urllib.parse import urlencode

from gateway.cli.client import Operator
from gateway.cli.output import print_json
from gateway.cli.said import answer_lines, asked_lines
from gateway.contents.content import CallContent
from gateway.number_words import usd
from gateway.terminal import one_line
from gateway.traces.handovers import handover_words
from gateway.traces.view import (
    AttemptView,
    CallView,
    ConversationList,
    ConversationSummary,
    ConversationTree,
    ToolView,
    TraceStep,
)

_KIND = 9  # characters of the column that says what a step is
_FILTERS = ("agent", "version", "unanswered", "min_cost", "since", "limit")
_MINUTE, _HOUR = 60, 3600


def print_trace(operator: Operator, given: argparse.Namespace) -> int:
    """`serinus trace ID`: the tree of a conversation."""
    said = operator.ask_json("conversations", given.id.strip(), query="content=true" if given.content else "")
    if given.json:
        print(json.dumps(said, indent=2))
    else:
        print("\n".join(tree_lines(operator.read(ConversationTree, said))))
    return 0


def print_conversations(operator: Operator, given: argparse.Namespace) -> int:
    """`serinus conversations [AGENT]`: one line a conversation, the latest first."""
    asked = {name: value for name in _FILTERS if (value := getattr(given, name)) is not None}
    said = operator.ask_json("conversations", query=urlencode(asked))
    if given.json:
        print(json.dumps(said, indent=2))
        return 0
    found = operator.read(ConversationList, said)
    for each in found.conversations:
        print(one_line(f"{each.ended_at}  {_headline(each)}{_failures(each)}"))
    if found.next is not None:
        print("there are earlier ones: say --since, --version, --unanswered or --min-cost, or a higher --limit")
    return 0


def forget(operator: Operator, given: argparse.Namespace) -> int:
    """`serinus forget CONVERSATION`: its recorded texts are deleted before their time."""
    done = operator.forget(given.id.strip(), given.actor, given.reason)
    if given.json:
        print_json(asdict(done))
    else:
        texts = f"the texts of {done.calls} call{'' if done.calls == 1 else 's'}" if done.calls else "no texts"
        print(f"conversation {done.conversation}: {texts} deleted; times, names, ids and costs stay until they end")
    return 0


def tree_lines(tree: ConversationTree) -> Iterator[str]:
    """Return the lines of a conversation's tree; names in it are providers' and clients' words."""
    return map(one_line, _lines(tree))


def _lines(tree: ConversationTree, indent: str = "") -> Iterator[str]:
    yield f"{indent}Conversation {_headline(tree.summary)}{_totals(tree.summary)}"
    last = len(tree.steps) + len(tree.sub_agents) - 1
    before: CallContent | None = None
    for index, step in enumerate(tree.steps):
        branch, below = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
        first, *more = _step_lines(step)
        content = None if step.call is None else step.call.content
        if content is not None:
            yield from (f"{indent}├─ {line}" for line in asked_lines(content, before))
            more += answer_lines(content)
            before = content
        yield f"{indent}{branch}{first}"
        yield from (f"{indent}{below}{'':<{_KIND}} {line}" for line in more)
    for index, each in enumerate(tree.sub_agents, len(tree.steps)):
        branch, below = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
        name = next((step.call.sub_agent for step in each.steps if step.call and step.call.sub_agent), None)
        yield f"{indent}{branch}{'sub-agent':<{_KIND}} {name or each.summary.id}"
        yield from _lines(each, indent + below)


def _headline(of: ConversationSummary) -> str:
    versions = ", ".join(f"{each.agent} {each.version}{f' ({each.arm})' if each.arm else ''}" for each in of.versions)
    name = f"{of.id} “{of.name}”" if of.name else of.id
    calls = f"{of.calls} call{'' if of.calls == 1 else 's'}"
    return " · ".join([name, versions, calls, _duration(of.seconds), _cost(of.cost_usd, of.unpriced)])


def _totals(of: ConversationSummary) -> str:
    """Return the second total, where the conversation cost us more than its answers."""
    return f" (its answers {usd(of.answer_usd)})" if of.cost_usd > of.answer_usd else ""


def _failures(of: ConversationSummary) -> str:
    return f" · {of.unanswered} unanswered" if of.unanswered else ""


def _step_lines(step: TraceStep) -> list[str]:
    if step.tool is not None:
        return [f"{'tool':<{_KIND}} {_tool(step.tool)}"]
    if step.call is None:
        return [f"{'app':<{_KIND}} {_duration(step.seconds or 0.0)}"]
    copies = [f"shadow    {each.version}  {_duration(each.seconds)}  {usd(each.cost_usd)}" for each in step.copies]
    handover = step.call.handover
    people = [] if handover is None else [f"person    {handover_words(handover)}"]
    failed = [
        f"failed    {_failed(each)}" for each in step.call.attempts if each.failure and (each.message or each.code)
    ]
    return [f"{'llm':<{_KIND}} {_call(step.call)}", *failed, *people, *copies]


def _failed(attempt: AttemptView) -> str:
    """Return what a provider said of a failed attempt: its message and code, and its own id of the request."""
    code = f" ({attempt.code})" if attempt.code and attempt.code not in attempt.message else ""
    request = f", request {attempt.upstream_id}" if attempt.upstream_id else ""
    return f"{attempt.target}: {attempt.message or 'no message'}{code}{request}"


def _tool(tool: ToolView) -> str:
    seconds = "" if tool.seconds is None else f"  {_duration(tool.seconds)}"
    return f"{tool.name or tool.id}{seconds}  {tool.state}"


def _call(call: CallView) -> str:
    said = [_targets(call.attempts), _duration(call.seconds), _tokens(call), _cost(call.cost_usd, call.unpriced)]
    if kinds := [each.kind for each in call.attempts[1:]]:
        said.append(", ".join(dict.fromkeys(kinds)))
    if call.end != "answered":
        said.append(f"{call.end.replace('_', ' ')} ({call.status})" if call.status else call.end.replace("_", " "))
    if call.asked_for:
        said.append(f"asked for {', '.join(each.name for each in call.asked_for)}")
    return "  ".join(filter(None, said))


def _targets(attempts: Sequence[AttemptView]) -> str:
    """Return the way of a call from target to target, with what went wrong at each."""
    return " → ".join(f"{each.target}{_fault(each)}" for each in attempts) or "no attempt"


def _fault(attempt: AttemptView) -> str:
    if attempt.failure is None:
        return ""
    return f" ({attempt.status if attempt.failure == 'status' else attempt.failure.replace('_', ' ')})"


def _tokens(call: CallView) -> str:
    tokens = call.tokens
    if not (tokens.input or tokens.output):
        return ""
    return f"{tokens.input}→{tokens.output} tokens{' (estimated)' if tokens.estimated else ''}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"


def _cost(amount: float, unpriced: int) -> str:
    return f"{usd(amount)}{' and unpriced calls' if unpriced else ''}"
