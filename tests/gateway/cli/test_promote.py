"""`serinus rollout promote` of a plain weight, and names that were mistyped."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.rollout.status_view import StepView
from tests.support.answers import answering_json, run
from tests.support.views import agent_view, status_view

pytestmark = pytest.mark.socket
PLAIN = agent_view(phase="running", weight=0.05, steps=(StepView(0.05, None, 0, False),))
DONE = {"phase": "completed", "weight": 1.0, "epoch": 3}


def said(**members: Any) -> dict[str, Any]:
    return asdict(status_view(replace(PLAIN, **members)))


async def promote(url: str, *more: str) -> int:
    return await run("rollout", "promote", "support", "--reason", "all is well", "--url", url, *more)


async def test_a_plain_weight_needs_a_yes(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a person to ask nothing is sent; `--yes` and `--to-end` say it."""
    async with answering_json(said()) as url:
        assert await promote(url) == 2
    assert "v2 gets 5 %, and a plain weight has no next step" in capsys.readouterr().err
    for word, answers in (("--yes", (said(), said())), ("--to-end", (said(),))):
        async with answering_json(*answers, DONE) as url:
            assert await promote(url, word) == 0
        assert "support: completed, weight 100 %, epoch 3" in capsys.readouterr().out


@pytest.mark.parametrize("members", [{"steps": (StepView(0.05, 60.0, 0, False),)}, {"phase": "completed"}])
async def test_anything_else_is_the_gateways_to_decide(members: dict[str, Any]) -> None:
    """Steps have a next one; what is no trial is refused there."""
    async with answering_json(said(**members), said(**members), DONE) as url:
        assert await promote(url) == 0


async def test_another_version_of_the_gateway_decides(capsys: pytest.CaptureFixture[str]) -> None:
    """One whose status cannot be read refuses by itself what was not agreed to."""
    standing = {"phase": "running", "weight": 0.05, "epoch": 2}
    async with answering_json({"agents": {"support": standing}}, {"agents": {"support": standing}}, DONE) as url:
        assert await promote(url) == 0
    assert "completed" in capsys.readouterr().out


def test_a_mistyped_word_of_fail_on_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["status", "--fail-on", "roled_back"])
    assert ended.value.code == 2 and "did you mean 'rolled_back'?" in capsys.readouterr().err
