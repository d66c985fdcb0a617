"""The report for test runners: JUnit's XML, a test for each case."""

import re
from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree as Xml

from evals.results import CaseResult, CaseRun, SuiteResult

# What no XML 1.0 document may hold (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(result: SuiteResult) -> str:
    """Return the report as text."""
    pairs = [each.pair for each in result.results]
    counts = {
        "tests": len(pairs),
        "failures": sum(False in pair.candidate for pair in pairs),
        "errors": sum(None in pair.candidate and False not in pair.candidate for pair in pairs),
        "time": f"{result.ended - result.began:.3f}",
    }
    name = f"{result.agent}@{result.candidate.name}"
    attributes = {key: str(value) for key, value in counts.items()}
    root = Xml.Element("testsuites", attributes)
    suite = Xml.SubElement(root, "testsuite", {"name": f"{name}: {result.suite.name}", **attributes})
    properties = Xml.SubElement(suite, "properties")
    for key, text in (("verdict", result.verdict.status), ("sentence", result.verdict.sentence)):
        Xml.SubElement(properties, "property", {"name": key, "value": _clean(text)})
    for each in result.results:
        _add_case(suite, name, each)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: Xml.Element, name: str, result: CaseResult) -> None:
    case = result.case
    seconds = sum(run.answer.latency_seconds for run in result.candidate if run.answer is not None)
    attributes = {"name": _clean(case.id), "classname": name, "time": f"{seconds:.3f}", "file": _clean(case.place.file)}
    test = Xml.SubElement(suite, "testcase", {**attributes, "line": str(case.place.line)})
    bad = next((run for run in result.candidate if run.outcome is not True), None)
    if bad is None:
        return
    why = _clean(reason_of(bad))
    found = Xml.SubElement(test, "failure" if bad.outcome is False else "error", {"message": why.split("\n")[0][:300]})
    found.text = why if bad.answer is None else _clean(f"{why}\n\n{bad.answer.text}")


def reason_of(run: CaseRun) -> str:
    """Return why a run has not passed."""
    if run.answer is not None and run.answer.error:
        return run.answer.error
    return run.undecided or (run.score.reason if run.score is not None else "")


def telling_run(runs: Iterable[CaseRun]) -> CaseRun | None:
    """Return the run to show of a case: one that did not pass, if there is any."""
    return min(runs, key=lambda run: run.outcome is True, default=None)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
