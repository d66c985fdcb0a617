"""Python of a suite, in a process of its own."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evals.cases import SourceLine
from evals.checks import CaseScore, score_case
from evals.checks.checkable import Checkable
from evals.checks.python_code import PythonLimits, check_python
from tests.evals.checks.builders import NoGraders, answer_of, case_of, check
from tests.support.waiting import within

pytestmark = pytest.mark.process


def has_ended(process: int) -> bool:
    """Whether there is no such process, or one that nobody has waited for yet."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    ).stdout
    return state.strip()[:1] in ("", "Z")


async def score_python(code: str, output: str = "hello", seconds: float = 60.0, **rest: Any) -> CaseScore:
    """The score of a `python` check; `not_=True` negates it."""
    spec = check("not-python" if rest.pop("not_", False) else "python", code, **rest)
    case = case_of(spec, inputs={"name": "Ada"}, expected="hello")
    limits = PythonLimits(seconds=seconds, memory_bytes=512 << 20)
    return await check_python(Checkable(spec, case, answer_of(output), NoGraders()), limits)


@pytest.mark.parametrize(
    ("code", "passed", "value"),
    [
        ("len(output) == 5", True, 1.0),
        ("'x' in output", False, 0.0),
        ("len(output) / 10", True, 0.5),
        ("0", False, 0.0),
        ("-0.5", False, -0.5),
        ("'TRUE'", True, 1.0),
        ("'0.25 of all'", True, 0.25),
        ("context['vars']['name'] == 'Ada' and context['test']['expected'] == output", True, 1.0),
        ("{'pass': True, 'score': 0.7, 'reason': 'fine'}", True, 0.7),
        ("json.dumps({'pass': False, 'score': 0.7, 'reason': 'no'})", False, 0.7),
        ("if output:\n  return True\nreturn False", True, 1.0),
        ("    x = 1\n    return x == 1", True, 1.0),
    ],
)
async def test_what_the_code_returns_is_the_score(code: str, passed: bool, value: float) -> None:
    """A boolean, a number, a text of either, or an object; an expression or lines."""
    found = await score_python(code)
    assert (found.passed, found.value, found.undecided) == (passed, value, False), found.reason


async def test_thresholds_and_not_are_promptfoos() -> None:
    """A number is held against the threshold; `not-` turns the verdict and keeps the number."""
    assert not (await score_python("0.5", threshold=0.6)).passed
    assert (await score_python("0.5", threshold=0.6, not_=True)).passed
    failing = await score_python("{'pass': True, 'score': 0.5, 'reason': 'r'}", threshold=0.6)
    assert not failing.passed and failing.reason == "score 0.5 is less than 0.6: r"
    named = await score_python("{'pass': True, 'score': 1, 'reason': 'r', 'named_scores': {'tone': 0.5}}")
    assert [(metric.name, metric.value) for metric in named.metrics] == [("tone", 0.5)]


@pytest.mark.parametrize("code", ["1 / 0", "None", "[1]", "{'pass': 1}", "'maybe'", "'{'", "undefined", "def"])
async def test_code_that_fails_or_returns_nonsense_fails_the_check(code: str) -> None:
    """The reason says what happened."""
    found = await score_python(code)
    assert not found.passed and not found.undecided and found.reason.startswith("Python: ")


async def test_what_the_code_prints_does_not_disturb_the_result() -> None:
    """Neither its own output nor that of a process that it starts."""
    code = "import os, sys\nprint('{\"value\": false}')\nsys.stdout.flush()\nos.system('echo noise')\nreturn True"
    assert (await score_python(code)).passed


async def test_the_code_sees_no_secrets_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds what a program needs to run, and no keys."""
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "sk-secret")
    assert (await score_python("import os\nreturn 'OPENAI_API_KEY' not in os.environ and 'PATH' in os.environ")).passed


async def test_code_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """The check is undecided, and no process stays behind."""
    note = tmp_path / "pid"
    start = "import subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
    start += f"open({str(note)!r}, 'w').write(str(child.pid))\n"
    found = await score_python(f"{start}time.sleep(600)\nreturn True", seconds=2.0)
    assert found.undecided and found.reason == "Python: no result within 2 s"
    await within(10, lambda: has_ended(int(note.read_text())))


async def test_code_that_takes_all_memory_is_stopped() -> None:
    """The bound is the process's own; ours is untouched."""
    found = await score_python("len(bytearray(4 << 30)) > 0")
    assert found.undecided and "out of memory" in found.reason


async def test_code_that_ends_its_process_is_undecided() -> None:
    """A crash says nothing about the version."""
    assert (await score_python("import os\nos._exit(3)\nreturn True")).undecided


async def test_a_result_without_end_is_not_read() -> None:
    """More than 1 MiB is a failure of the code."""
    found = await score_python("'x' * (2 << 20)")
    assert not found.passed and "more than 1 MiB" in found.reason


async def test_a_file_beside_the_suite_holds_functions(tmp_path: Path) -> None:
    """`get_assert` by default, or the one that is named; it may be a coroutine and import what lies beside it."""
    (tmp_path / "helper.py").write_text("WORD = 'hello'\n")
    (tmp_path / "checks.py").write_text(
        "from helper import WORD\n"
        "def get_assert(output, context):\n    return output == WORD\n"
        "async def soft(output, context):\n    return 0.5\n"
    )
    place = SourceLine(str(tmp_path / "suite.yaml"), 3)
    assert (await score_python("file://checks.py", place=place)).passed
    assert (await score_python("file://checks.py:soft", place=place)).value == 0.5
    assert "AttributeError" in (missing := await score_python("file://checks.py:none", place=place)).reason or (
        "KeyError" in missing.reason
    )


async def test_a_transform_changes_the_answer_before_the_check(tmp_path: Path) -> None:
    """Of this check alone; one that fails, fails it."""
    (tmp_path / "shape.py").write_text(
        "def get_transform(output, context):\n    return output.upper()\n"
        "def as_object(output, context):\n    return {'text': output}\n"
        "def wrong(output, context):\n    raise ValueError('no')\n"
    )
    place = SourceLine(str(tmp_path / "suite.yaml"), 3)
    specs = [
        check("equals", "HELLO", place=place, transform="file://shape.py"),
        check("is-json", {"required": ["text"]}, place=place, transform="file://shape.py:as_object"),
        check("contains", "hello", place=place, transform="file://shape.py:wrong"),
        check("equals", "hello"),
    ]
    found = await score_case(case_of(*specs), answer_of("hello"), NoGraders())
    assert [one.passed for one in found.named] == [True, True, False, True]
    assert found.named[2].reason == "transform: ValueError: no"
