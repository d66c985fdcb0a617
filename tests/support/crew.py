"""People at several replicas who command one agent: by HTTP, against the epoch that they saw."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import Standin
from tests.support.crowd import Line, Reply
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, trial, write


class Person:
    """Somebody with the admin token and a connection of their own to one replica."""

    def __init__(self, url: str, name: str) -> None:
        self._line = Line(url)
        self._name = name

    async def command(self, agent: str, verb: str, epoch: int, **more: str) -> Reply:
        """Command that, having seen the agent at that epoch."""
        body = json.dumps({"actor": self._name, "reason": f"{verb} it", **more}).encode()
        headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {epoch}")
        return await self._line.ask("POST", f"/admin/agents/{agent}/{verb}", body, headers)

    def leave(self) -> None:
        self._line.close()


@dataclass(frozen=True, slots=True)
class Crew:
    """Running replicas with the same agents, all on trial at epoch 1, and people who are spread over them."""

    replicas: Sequence[Served]
    people: Sequence[Person]


@asynccontextmanager
async def crew(folder: Path, url: str, agents: Sequence[str], replicas: int, people: int) -> AsyncIterator[Crew]:
    """So many replicas and people; the folder gets the configuration and the logs. Nobody calls."""
    async with AsyncExitStack() as stack:
        write(folder / "config", await _files(stack, agents))
        environ = {"SERINUS_STORE": url}
        started = (serving(folder / "config", environ, f"replica-{n}") for n in range(replicas))
        served = [await stack.enter_async_context(each) for each in started]
        crowd = [Person(served[n % replicas].url, f"person {n}") for n in range(people)]
        for person in crowd:
            stack.callback(person.leave)
        await until(lambda: _begun(served, len(agents)))
        yield Crew(served, crowd)


async def _files(stack: AsyncExitStack, agents: Sequence[str]) -> Mapping[str, object]:
    standin = Standin({})
    await standin.start()
    stack.push_async_callback(standin.stop)
    files: dict[str, Any] = {}
    entries: dict[str, object] = {}
    for agent in agents:
        files |= trial(agent, standin)
        entries |= files["routing.yaml"]["agents"]
    return files | {"routing.yaml": {"agents": entries}}


async def _begun(replicas: Sequence[Served], agents: int) -> bool:
    """Whether every table has turned to the first record of every agent."""
    applied = [len([line for line in served.log() if line["event"] == "record_applied"]) for served in replicas]
    return min(applied) >= agents
