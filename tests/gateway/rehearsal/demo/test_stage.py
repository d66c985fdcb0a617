"""The stage with everything on it, real processes all of them."""

import asyncio
from pathlib import Path

import pytest

from gateway.rehearsal.demo.children import DemoFailed
from gateway.rehearsal.demo.stage import Stage, set_up

pytestmark = pytest.mark.process


async def first_sights(stage: Stage) -> None:
    """Watch until both replicas were seen."""
    watching = asyncio.create_task(stage.watch())
    while None in stage.sights:
        await asyncio.wait([watching], timeout=0.05)
        assert not watching.done()
    watching.cancel()
    await asyncio.wait([watching])


async def test_the_stage_stands_and_a_lost_replica_is_noticed(tmp_path: Path) -> None:
    """Both replicas are seen without a trial; one that is killed ends the demo; at the end nothing runs."""
    async with set_up(tmp_path) as stage:
        await first_sights(stage)
        assert [sight.phase for sight in stage.sights if sight] == [None, None]
        assert [event["action"] for event in await stage.audit()] == ["start"]
        stage.replicas[1].process.kill()
        with pytest.raises(DemoFailed, match="replica-2"):
            await stage.watch()
        assert "replica-2 (pid" in stage.tails()
    assert not any(child.is_alive for child in (stage.provider, *stage.replicas))
