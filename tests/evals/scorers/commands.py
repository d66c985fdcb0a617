"""Evaluators for tests: a script that does what an item's `settings` say, and the checks that ask it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from evals.checks.scores import NamedScore
from evals.checks.scoring import score_case
from evals.running.judges import Judges
from evals.running.kept_answers import AnswerCache
from evals.scorers.evaluator import Evaluator, value_of
from evals.scorers.pools import Evaluators, open_evaluators
from gateway.rehearsal.standin import Standin
from tests.evals.checks.builders import answer_of, case_of, check
from tests.support.evaluations import evaluated

SCRIPT = """
import json, os, subprocess, sys, time, urllib.error, urllib.request
def asked(path, body):
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + path, json.dumps(body).encode(),
        {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"})
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.load(error)}
for line in sys.stdin:
    item = json.loads(line)
    does, reply = item["settings"], {"id": item["id"], "score": 1.0, "pass": True, "reason": "fine"}
    if "run" in does:
        exec(does["run"])
    print(does["raw"] if "raw" in does else json.dumps({**reply, **does.get("reply", {})}), flush=True)
"""


def evaluator_in(folder: Path, **more: object) -> Evaluator:
    """An evaluator that runs the script."""
    (folder / "scorer.py").write_text(SCRIPT)
    usual = {"timeout": 20.0, "processes": 1, **more}
    return Evaluator("mine", (sys.executable, "scorer.py"), str(folder), "0" * 64, **usual)  # type: ignore[arg-type]


@asynccontextmanager
async def evaluating(
    folder: Path, limit: int | None = None, kept: AnswerCache | None = None, judge: str | None = "standin/good"
) -> AsyncIterator[tuple[Standin, Evaluators]]:
    """Evaluators of a run, and the stand-in that their judge is asked at."""
    async with (
        evaluated(folder, limit) as (standin, targets),
        open_evaluators(Judges(targets, judge), kept or AnswerCache()) as evaluators,
    ):
        yield standin, evaluators


async def scored(
    evaluators: Evaluators,
    evaluator: Evaluator,
    answer_key: str = "",
    threshold: float | None = None,
    **does: JsonValue,
) -> NamedScore:
    """The score of an answer by an evaluator that does as it is told."""
    spec = check("external", value_of(evaluator, "mood", does), threshold=threshold)
    graders = replace(evaluators.judges, evaluators=evaluators, answer_key=answer_key)
    found = await score_case(case_of(spec, expected="soon", context=("c",)), answer_of("It ships."), graders)
    return found.named[0]
