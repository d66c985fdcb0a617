"""`serinus review`: which answers wait for people, and what they said as golden cases or labels."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

from gateway.cli.client import Misused, Operator
from gateway.cli.output import TextRow, local_time, print_json, print_rows
from gateway.cli.review_options import FORMATS
from gateway.review.golden import GoldenCase, golden_case, json_lines, labels_lines, promptfoo_suite
from gateway.review.view import AgentReviewsView, LabelList, LabelView, WaitingList
from gateway.terminal import one_line

_ONLY_GOOD = "labelled bad, which have no reference answer (`--format promptfoo` has a check for them)"


def run(operator: Operator, given: argparse.Namespace) -> int:
    """`serinus review [AGENT]` and `serinus review export AGENT`."""
    match given.what:
        case ["export", agent]:
            return _export(operator, agent, given)
        case [agent]:
            return _show(operator, agent, as_json=given.json)
        case []:
            return _list(operator, as_json=given.json)
    raise Misused("say 'review', 'review AGENT' or 'review export AGENT --format promptfoo'")


def _list(operator: Operator, *, as_json: bool) -> int:
    agents = operator.read(WaitingList, operator.ask_json("review")).agents
    views = [_reviews(operator, each.agent) for each in sorted(agents, key=lambda each: (-each.waiting, each.agent))]
    if as_json:
        print_json([_plain(view) for view in views])
        return 0
    print_rows(TextRow(one_line(_described(view))) for view in views)
    page = f"page: {operator.url}/review" if views else "no agent has `review` in routing.yaml"
    print_rows([TextRow(page, "cyan" if views else "")])
    return 0


def _show(operator: Operator, agent: str, *, as_json: bool) -> int:
    view = _reviews(operator, agent)
    if as_json:
        print_json(_plain(view))
        return 0
    labels = ", ".join(f"{count} {name}" for name, count in view.labels.items())
    page = f"page: {operator.url}/review/{quote(agent, safe='')}"
    print_rows([TextRow(one_line(_described(view))), TextRow(f"labels that are kept: {labels}"), TextRow(page, "cyan")])
    return 0


def _export(operator: Operator, agent: str, given: argparse.Namespace) -> int:
    if given.format is None:
        raise Misused(f"say --format: {', '.join(FORMATS)}")
    labels = list(_labels(operator, agent, given))
    text, left_out = _exported(agent, labels, given.format)
    written = len(labels) - left_out.total()
    if given.output is None:
        sys.stdout.write(text)
    else:
        _write(given.output, text)
    what = "label" if given.format == "labels" else "case"
    print(f"{written} {what}{'' if written == 1 else 's'}", file=sys.stderr)
    for why, count in left_out.items():
        print(f"left out: {count} {why}", file=sys.stderr)
    return 0


def _exported(agent: str, labels: list[LabelView], form: str) -> tuple[str, Counter[str]]:
    """Return the text of the export, and why labels are not in it."""
    if form == "labels":
        unsure = sum(each.label == "unsure" for each in labels)
        return labels_lines(agent, labels), Counter(["labelled unsure"] * unsure)
    made = [golden_case(label) for label in labels]
    cases, left_out = [each for each in made if isinstance(each, GoldenCase)], Counter(filter(_is_text, made))
    if form == "promptfoo":
        return promptfoo_suite(agent, cases), Counter(map(str, left_out.elements()))
    bad = sum(not case.is_good for case in cases)
    return json_lines(cases), Counter([*map(str, left_out.elements()), *[_ONLY_GOOD] * bad])


def _is_text(made: object) -> bool:
    return isinstance(made, str)


def _labels(operator: Operator, agent: str, given: argparse.Namespace) -> Iterator[LabelView]:
    asked = {"since": given.since, "label": given.label, "content": None if given.format == "labels" else "true"}
    query, after = {name: value for name, value in asked.items() if value is not None}, ""
    while True:
        more = {"after": after} if after else {}
        page = operator.read(LabelList, operator.labels_json(agent, urlencode({**query, **more})))
        yield from page.labels
        if page.next is None:
            return
        after = page.next


def _write(name: str, text: str) -> None:
    """Write the export, for this user's eyes alone: it holds what people wrote. Raises Misused."""
    path = Path(name)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misused(f"cannot write {name}: {error.strerror}") from None


def _reviews(operator: Operator, agent: str) -> AgentReviewsView:
    return operator.read(AgentReviewsView, operator.ask_json("review", agent))


def _described(view: AgentReviewsView) -> str:
    reasons = ", ".join(f"{count} {name}" for name, count in sorted(view.reasons.items()))
    oldest = f", the oldest of {local_time(view.oldest_at)}" if view.oldest_at else ""
    return f"{view.agent}: {view.waiting} to review{f' ({reasons})' if reasons else ''}{oldest}"


def _plain(view: AgentReviewsView) -> object:
    members = AgentReviewsView.__dataclass_fields__
    return json.loads(json.dumps({name: getattr(view, name) for name in members}))
