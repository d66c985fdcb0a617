"""Options of `serinus wait`, apart from what it needs when it runs; its words and exit codes."""

import argparse

from gateway.cli.numbers import interval, time_span
from gateway.cli.output import USUAL_EXITS, add_help, add_json

REACHED, TIMED_OUT, ENDED_OTHERWISE = 0, 3, 4
ENDS = ("completed", "rolled_back")  # nothing but a person or an edit leads on from here
_PHASES = ("pending", "running", "paused", *ENDS)
_WORDS = (*_PHASES, "approval", "ended")
_EXITS = {
    **USUAL_EXITS,
    REACHED: "the rollout is there",
    TIMED_OUT: "the time is up",
    ENDED_OTHERWISE: "the rollout ended otherwise, or there is no canary",
}


def add_wait_options(wait: argparse.ArgumentParser) -> None:
    """Add the arguments of `wait`, and its help."""
    wait.add_argument("agent", help="the agent's name")
    wait.add_argument(
        "--for", dest="goals", type=goals, required=True, metavar="WORD,…",
        help=f"one or more of {', '.join(_WORDS)}; `approval`: a step waits for one; `ended`: either end",
    )  # fmt: skip
    wait.add_argument(
        "--timeout", type=time_span, metavar="TIME", help="such as 90s, 15m, 2h or 1d (default: as long as it takes)"
    )
    wait.add_argument(
        "--every", type=interval, default=5.0, metavar="SECONDS", help="seconds between two looks (default: 5)"
    )
    add_json(wait, "print the agent's status at the end as JSON")
    add_help(wait, "wait support --for completed --timeout 2h", "wait support --for ended && ./announce", exits=_EXITS)


def goals(text: str) -> frozenset[str]:
    """Return the phases that a list such as `completed,rolled_back` names. Raises ArgumentTypeError."""
    asked = {word.strip().replace("-", "_") for word in text.split(",")}
    if wrong := asked.difference(_WORDS):
        from difflib import get_close_matches

        word = min(wrong)
        near = get_close_matches(word, _WORDS, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise argparse.ArgumentTypeError(f"{word!r} is not one of {', '.join(_WORDS)}{meant}")
    return frozenset(asked.union(ENDS) - {"ended"} if "ended" in asked else asked)
