"""`serinus doctor`: asks every target and the store the smallest question, and says what is wrong and what to do.

`examination` brings the diagnoses together; `targets` makes those of providers; `report` shows them.
"""

from gateway.doctor.diagnosis import Diagnosis
from gateway.doctor.examination import examine
from gateway.doctor.report import Examined, as_json, as_text

__all__ = ["Diagnosis", "Examined", "as_json", "as_text", "examine"]
