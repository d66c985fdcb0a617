"""`serinus wait AGENT --for completed --timeout 2h`: wait for a rollout, for pipelines; exit codes say how it ended."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from gateway.cli.client import CommandRefused, Misused, NoSuchAgent, Operator
from gateway.cli.output import TextRow, local_time, print_json, print_rows
from gateway.cli.render import explain
from gateway.cli.status_text import condition_style, status_page
from gateway.cli.wait_options import ENDED_OTHERWISE, ENDS, REACHED, TIMED_OUT
from gateway.number_words import span, weight
from gateway.pages.condition import agent_condition
from gateway.rollout.status_view import AgentView
from gateway.terminal import printable


def run(operator: Operator, given: argparse.Namespace) -> int:
    """Run the command; its exit code. Raises CommandRefused where the first look already fails."""
    waiting = _RolloutWait(operator, given.agent, given.goals)
    code = waiting.wait(given.timeout, given.every)
    agent = waiting.agent
    if given.json and agent is not None:
        print_json(operator.status_json(given.agent)["agents"][given.agent])
    elif agent is not None:
        print_rows([TextRow(explain(given.agent, agent)[0], condition_style(agent_condition(agent).level))])
    return code


@dataclass(slots=True)
class _RolloutWait:
    """The wait for one agent's rollout. `agent` is its status at the last look."""

    operator: Operator
    name: str
    goals: frozenset[str]
    agent: AgentView | None = None
    _said: str = ""

    def wait(
        self, timeout: float | None, every: float,
        *, now: Callable[[], float] = monotonic, pause: Callable[[float], None] = sleep,
    ) -> int:  # fmt: skip
        """Look until a goal is reached, cannot be reached, or the time is up; the exit code."""
        end = None if timeout is None else now() + timeout
        limit = "" if timeout is None else f", at most {span(timeout)}"
        wanted = " or ".join(goal.replace("_", " ") for goal in sorted(self.goals))
        page = status_page(self.operator.url, self.name)
        self._say(f"waiting for {self.name} to be {wanted}{limit}; page: {page}")
        while True:
            if (code := self._look()) is not None:
                return code
            left = every if end is None else min(every, end - now())
            if left <= 0:
                self._say(f"{self.name}: the time is up")
                return TIMED_OUT
            pause(left)

    def _look(self) -> int | None:
        """Return the exit code once the wait is over. After a good look, a gateway that does not answer is awaited."""
        try:
            self.agent = self.operator.agent(self.name)
        except (Misused, NoSuchAgent):
            raise
        except CommandRefused as error:
            if self.agent is None:
                raise
            self._say(f"{error}; trying again")
            return None
        agent = self.agent
        self._say(_standing(self.name, agent))
        if agent.phase in self.goals or ("approval" in self.goals and _waits_for_approval(agent)):
            return REACHED
        return ENDED_OTHERWISE if agent.canary is None or agent.phase in ENDS else None

    def _say(self, text: str) -> None:
        """Write what is new to standard error."""
        if text != self._said:
            self._said = text
            print(printable(text), file=sys.stderr, flush=True)


def _waits_for_approval(agent: AgentView) -> bool:
    return agent.phase == "running" and any("approval" in reason for reason in agent.waits_for)


def _standing(name: str, agent: AgentView) -> str:
    if agent.canary is None:
        return f"{name}: no canary, {agent.stable.version} serves every call"
    phase = (agent.phase or "not begun").replace("_", " ")
    step = f", step {agent.step} of {len(agent.steps)}" if len(agent.steps) > 1 else ""
    since = f" since {local_time(agent.changed_at)}" if agent.changed_at else ""
    return f"{name}: {phase}{since}, {agent.canary.version} at {weight(agent.weight)}{step}"
