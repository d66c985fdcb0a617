"""`review` of an agent, and `reviews` of a key: how they are written, what they become, and what is refused."""

from pathlib import Path

import pytest

from routing.agents import ReviewRules
from tests.gateway.config.folders import GATEWAY, ROUTING, loaded, problems

RECORDED = f"{ROUTING}    record_content: all\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{}", ReviewRules()),
        ("{sample: 5%}", ReviewRules(500)),
        ("{sample: 0%, plus: [escalated]}", ReviewRules(0, ("escalated",))),
    ],
)
def test_rules_are_resolved(tmp_path: Path, written: str, expected: ReviewRules) -> None:
    """Members have their defaults."""
    files = {"routing.yaml": f"{RECORDED}    review: {written}\n"}
    assert loaded(tmp_path, files).agents["support"].review == expected


@pytest.mark.parametrize(
    ("routing", "written", "hint"),
    [
        (ROUTING, "{}", "routing.yaml:6:"),
        (ROUTING, "{}", "agents.support.review: only calls whose texts are recorded can be reviewed"),
        (f"{ROUTING}    record_content: off\n", "{}", "add `record_content: all`"),
        (RECORDED, "{plus: [low_judge]}", "agents.support.review.plus.0: 'low_judge' needs a judge"),
        (RECORDED, "{plus: [escalated, disagree]}", "agents.support.review.plus.1: 'disagree' needs a judge"),
        (RECORDED, "{plus: [escalated, escalated]}", "names a kind of calls twice"),
        (RECORDED, "{plus: [angry]}", "agents.support.review.plus"),
        (RECORDED, "{sample: 101%}", "agents.support.review.sample"),
        (RECORDED, "", "agents.support.review: is empty; write `review: {}`"),
    ],
)
def test_what_cannot_be_obeyed_is_named(tmp_path: Path, routing: str, written: str, hint: str) -> None:
    """With its line and the way out, before anything is served."""
    found = problems(tmp_path, {"routing.yaml": f"{routing}    review: {written}\n"})
    assert any(hint in line for line in found), found


def test_a_change_of_what_is_kept_is_a_new_configuration(tmp_path: Path) -> None:
    """A replica that follows its files takes it in."""
    texts = [ROUTING, RECORDED, f"{RECORDED}    review: {{}}\n", f"{RECORDED}    review: {{sample: 2%}}\n"]
    digests = [loaded(tmp_path, {"routing.yaml": text}).digest for text in texts]
    assert len(set(digests)) == 4


def test_a_reviewer_s_key(tmp_path: Path) -> None:
    """It may review agents that there are, and calls none of them where it has an empty list."""
    key = "keys:\n  ada: {sha256: '%s', agents: [], reviews: [%s]}\n"
    settings = loaded(tmp_path, {"gateway.yaml": GATEWAY + key % ("0" * 64, "support")}).settings
    assert settings.keys["ada"].reviews == ("support",) and settings.keys["ada"].agents_in_scope == ()
    found = problems(tmp_path, {"gateway.yaml": GATEWAY + key % ("0" * 64, "suport")})
    assert any("keys.ada.reviews.0: unknown agent 'suport'" in line for line in found), found
