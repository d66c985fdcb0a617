"""Checks of answers by name, their scores, and their sum."""

from evals.checks.graders import Graders as Graders
from evals.checks.graders import GraderUnavailable as GraderUnavailable
from evals.checks.scores import CaseScore as CaseScore
from evals.checks.scores import NamedScore as NamedScore
from evals.checks.scoring import check_problems as check_problems
from evals.checks.scoring import external_checks as external_checks
from evals.checks.scoring import graded_checks as graded_checks
from evals.checks.scoring import score_case as score_case
