"""Evaluators as processes: what they get, what they may answer, and what becomes of those that do not."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from evals.scorers.pools import MOST_RESTARTS
from tests.evals.scorers.commands import evaluating, evaluator_in, scored
from tests.support.waiting import SOON, within

pytestmark = [pytest.mark.socket, pytest.mark.process]
SEEN = "reply['reason'] = json.dumps({name: item[name] for name in sorted(item)})"
BAD = [
    ({"run": "sys.exit(3)"}, "ended with 3"),
    ({"run": "os.kill(os.getpid(), 9)"}, "ended by signal 9"),
    ({"run": "os.close(1); time.sleep(60)"}, "closed its output"),
    ({"raw": "no JSON"}, "answered no line of JSON"),
    ({"raw": "[]"}, "answered no object"),
    ({"raw": '{"id": "another", "score": 1}'}, "answered with the id of no item, or of another"),
    ({"run": "print('x' * 2_000_000, flush=True)"}, "answered a line of more than 1 MiB"),
    ({"reply": {"score": None, "pass": None}}, "neither `score` nor `pass`"),
    ({"reply": {"score": "1"}}, "a `score` that is no number"),
    ({"reply": {"score": True}}, "a `score` that is no number"),
    ({"run": "reply['score'] = float('nan')"}, "answered no line of JSON"),
    ({"reply": {"pass": "yes"}}, "a `pass` that is neither true nor false"),
    ({"reply": {"cost": -1}}, "a `cost` that is no sum in USD"),
    ({"reply": {"reason": [1]}}, "a `reason` that is no text"),
]


async def test_an_evaluator_gets_the_answer_with_its_case(tmp_path: Path) -> None:
    """All that a scorer may need, and what the check says."""
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), threshold=0.5, run=SEEN)
    assert found.passed and found.value == 1.0
    for part in ('"input": "Where is my order?"', '"output": "It ships."', '"expected": "soon"', '"metric": "mood"'):
        assert part in found.reason
    for part in ('"context": ["c"]', '"retrieval_context": ["c"]', '"tools_called": []', '"threshold": 0.5'):
        assert part in found.reason


@pytest.mark.parametrize(
    ("reply", "threshold", "passed"),
    [
        ({"score": 0.7}, 0.5, True),
        ({"score": 0.4}, 0.5, False),
        ({"score": 0.4, "pass": None}, 0.5, False),
        ({"score": 0.6, "pass": None}, 0.5, True),
        ({"score": 0.9, "pass": False}, 0.5, False),
        ({"score": None, "pass": False}, None, False),
        ({"score": 0.1}, None, True),
    ],
)
async def test_pass_and_threshold_must_both_hold(
    reply: dict[str, object], threshold: float | None, passed: bool, tmp_path: Path
) -> None:
    """An evaluator cannot pass what the suite's threshold fails."""
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), threshold=threshold, reply=reply)  # type: ignore[arg-type]
    assert (found.passed, found.undecided) == (passed, False)


async def test_a_score_that_nothing_compares_is_undecided(tmp_path: Path) -> None:
    """Neither `pass` nor a threshold."""
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), reply={"pass": None})
    assert found.undecided and "write a `threshold`" in found.reason


@pytest.mark.parametrize(("does", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
async def test_an_evaluator_that_fails_decides_nothing(does: dict[str, str], sentence: str, tmp_path: Path) -> None:
    """Never a pass, never a fail; the next item meets a fresh child."""
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), **does)  # type: ignore[arg-type]
        assert found.undecided and found.reason.startswith("evaluator mine ") and sentence in found.reason
        assert (await scored(evaluators, evaluator_in(tmp_path))).passed


async def test_an_evaluator_that_hangs_is_ended(tmp_path: Path) -> None:
    """With all that it has started."""
    run = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(subprocess.Popen(['sleep', '300']).pid)); time.sleep(300)"
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path, timeout=3.0), run=run)
        assert found.undecided and "did not answer within 3 s" in found.reason
        await within(SOON, lambda: not is_alive(int((tmp_path / "pid").read_text())))


async def test_children_end_with_the_run(tmp_path: Path) -> None:
    """Also those of their group that ignore the end of their input."""
    run = "child = subprocess.Popen(['sleep', '300']); reply['reason'] = str(child.pid)"
    async with evaluating(tmp_path) as (_, evaluators):
        pid = int((await scored(evaluators, evaluator_in(tmp_path), run=run)).reason)
        assert is_alive(pid)
    await within(SOON, lambda: not is_alive(pid))


async def test_children_with_a_session_of_their_own_end_with_the_run(tmp_path: Path) -> None:
    """They have left the group of their parent; what they were started with tells them."""
    run = "child = subprocess.Popen(['setsid', 'sleep', '300']); reply['reason'] = str(child.pid)"
    async with evaluating(tmp_path) as (_, evaluators):
        pid = int((await scored(evaluators, evaluator_in(tmp_path), run=run)).reason)
        assert is_alive(pid)
    await within(SOON, lambda: not is_alive(pid))


async def test_restarts_are_bounded(tmp_path: Path) -> None:
    """Then each further item is undecided at once, and says why."""
    evaluator = evaluator_in(tmp_path)
    async with evaluating(tmp_path) as (_, evaluators):
        for _ in range(MOST_RESTARTS + 1):
            assert (await scored(evaluators, evaluator, raw="x")).undecided
        found = await scored(evaluators, evaluator)
    assert found.undecided and "failed 11 times and is not started again; at last it answered no line" in found.reason


async def test_an_evaluator_may_decline(tmp_path: Path) -> None:
    """It says why, and goes on."""
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), reply={"error": "no context"})
        pids = [(await scored(evaluators, evaluator_in(tmp_path), run="reply['reason'] = str(os.getpid())")).reason]
        pids += [(await scored(evaluators, evaluator_in(tmp_path), run="reply['reason'] = str(os.getpid())")).reason]
    assert found.undecided and found.reason == "evaluator mine: no context" and len(set(pids)) == 1


async def test_a_child_gets_the_named_variables_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of ours, and its own folder."""
    monkeypatch.setenv("PROVIDER_KEY", "sk-provider")
    monkeypatch.setenv("LICENCE", "licence-of-mine")
    run = "reply['reason'] = ' '.join([*sorted(os.environ), os.getcwd()])"
    async with evaluating(tmp_path, judge=None) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path, env=("LICENCE",)), run=run)
    assert "LICENCE" in found.reason and "PROVIDER_KEY" not in found.reason and "OPENAI" not in found.reason
    assert found.reason.endswith(str(tmp_path))


async def test_temporary_files_go_with_their_child(tmp_path: Path) -> None:
    """Each child has a folder of its own for them, also one that ends badly."""
    run = "import tempfile; open('seen', 'a').write(tempfile.mkstemp()[1] + chr(10))"
    async with evaluating(tmp_path) as (_, evaluators):
        await scored(evaluators, evaluator_in(tmp_path), run=f"{run}; sys.exit(1)")
        await scored(evaluators, evaluator_in(tmp_path), run=run)
        first, second = (tmp_path / "seen").read_text().split()
        assert os.path.exists(second) and os.path.dirname(first) != os.path.dirname(second)  # noqa: ASYNC240
    assert not any(map(os.path.exists, (first, second, os.path.dirname(first), os.path.dirname(second))))


async def test_last_words_are_bounded_and_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception's text may hold a key."""
    monkeypatch.setenv("LICENCE", "licence-of-mine")
    run = "sys.stderr.write('y' * 5_000_000); sys.stderr.write('\\nkey licence-of-mine \\x1b[2J'); sys.exit(1)"
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path, env=("LICENCE",)), run=run)
    assert found.reason.endswith("\\nkey [redacted] \\x1b[2J") and len(found.reason) < 400


async def test_words_of_an_evaluator_are_one_line(tmp_path: Path) -> None:
    """A terminal obeys nothing in them, and no line of theirs begins a workflow command."""
    reason = "bad\n::error file=x::owned\r\x1b[31m"
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), reply={"reason": reason})
        long = await scored(evaluators, evaluator_in(tmp_path), reply={"reason": "z" * 100_000})
    assert found.reason == "bad\\n::error file=x::owned\\r\\x1b[31m" and len(long.reason) == 2_000


async def test_a_command_that_is_not_there_decides_nothing(tmp_path: Path) -> None:
    """The sentence names it."""
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, replace(evaluator_in(tmp_path), run=("./nowhere",)))
    assert found.undecided and "cannot be started: No such file or directory: ./nowhere" in found.reason


def is_alive(pid: int) -> bool:
    """Whether the process runs, and is no zombie."""
    try:
        os.kill(pid, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
