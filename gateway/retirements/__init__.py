"""Retirement of models: a dated list, what providers report, and the configuration's own dates."""

from gateway.retirements.calendar import ModelEnding as ModelEnding
from gateway.retirements.calendar import RetirementCalendar as RetirementCalendar
from gateway.retirements.reported import ReportedDates as ReportedDates
