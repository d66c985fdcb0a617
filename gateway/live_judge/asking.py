"""A question of the live judge to its model: money first, then the model, then what is left of the money."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from pydantic import JsonValue

from gateway.calls import Usage
from gateway.errors import NOT_SENT, CallerError, ProviderError, StoreAway
from gateway.formats.openai_chat.provider_answer import content_texts, read_answer
from gateway.judging.question import VERDICT_SCHEMA, JudgeMessage, ask_for_grade, read_verdict
from gateway.judging.rubric import LEAST_OUTPUT, parts_of, task_of
from gateway.limits.limits import Limits
from gateway.limits.reservations import Reservation
from gateway.questions import TargetQuestion, ask_target
from gateway.runtime import Runtime
from gateway.store.seam import Store
from routing.agents import AgentVersion, JudgeRules

_EXTRA_TOKENS: Final = 64  # that a provider puts around messages
_UNBILLED: Final = ("connect", "status", *NOT_SENT)  # ends after which nobody has worked on it


class JudgeFailed(Exception):
    """The judge gave no answer. The message says why, without a word of the provider's: it may quote the case."""


class BatchSpent(Exception):
    """The next question may cost more than whoever asks for it wants to spend."""


class JudgePaused(Exception):
    """No question may go out now: the money of the day is spent, or nobody knows what a question costs."""


@dataclass(slots=True)
class JudgeCost:
    """Cost of the questions about one case, in nano-dollars."""

    nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class JudgeQuestion:
    """A case for the judge of an agent. `seconds` bound each reply. `left` is what may be spent on it, in nano-dollars,
    beside the limit of the day; None for no limit. `limits` has those of the agent, under which it falls too."""

    agent: str
    judge: JudgeRules
    conversation: str
    answer: str
    seconds: float
    left: int | None = None
    limits: Limits | None = None


def day_of(now: float) -> str:
    """Return the day (UTC) of Unix seconds."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


async def ask_judge_model(
    question: JudgeQuestion, runtime: Runtime, store: Store, now: float, cost: JudgeCost
) -> tuple[float, bool, str]:
    """Return score, whether it passes, and the reason. `cost` gets what it costs.

    Raises JudgeFailed, JudgePaused, Ungraded, StoreAway.
    """
    judge = question.judge

    async def ask(messages: Sequence[JudgeMessage], schema: Mapping[str, JsonValue]) -> str:
        shape = {"type": "json_schema", "json_schema": {"name": "grade", "schema": dict(schema), "strict": True}}
        members = {"model": "judge", "messages": [dict(each) for each in messages], "response_format": shape}
        return await _ask_once(question, orjson.dumps(members), runtime, store, now, cost)

    parts = parts_of(question.conversation, question.answer)
    return await ask_for_grade(ask, task_of(judge.rubric), parts, VERDICT_SCHEMA, read_verdict)


async def _ask_once(
    question: JudgeQuestion, body: bytes, runtime: Runtime, store: Store, now: float, cost: JudgeCost
) -> str:
    target, day = question.judge.target, day_of(now)
    most = runtime.prices.cost(target.name, Usage(len(body) + _EXTRA_TOKENS, output=LEAST_OUTPUT), now)
    if most is None:
        raise JudgePaused(f"it is not known what {target} costs; add it to `prices` in gateway.yaml")
    channel = runtime.channels.get(target.provider)
    if channel is None:
        raise JudgePaused(f"provider {target.provider} is not configured any more")
    if question.left is not None and cost.nano_usd + most > question.left:
        raise BatchSpent("the next call may cost more than is left of --max-cost")
    held = await _reserve(question, len(body), runtime)
    try:
        if not await store.reserve_for_judge(question.agent, day, most, question.judge.max_nano_usd_per_day):
            raise JudgePaused("the day's money is spent or reserved, or too many calls were judged today")
    except BaseException:
        if held is not None:
            held.release()
        raise
    paid, usage = most, None  # whoever is cancelled may be billed
    version = AgentVersion("judge", target, parameters={"temperature": "0", "max_tokens": str(LEAST_OUTPUT)})
    try:
        async with asyncio.timeout(question.seconds):
            reply = await ask_target(TargetQuestion(version, body, asker="judge"), channel, runtime.prices)
        paid, usage = most if reply.cost_nano_usd is None else reply.cost_nano_usd, reply.usage
        return _text_of(reply.body)
    except TimeoutError:
        raise JudgeFailed(f"{target} did not answer within {question.seconds:g} s") from None
    except CallerError as error:
        paid = 0
        raise JudgeFailed(f"the question cannot be put to {target} ({error.code or error.status})") from None
    except ProviderError as error:
        paid = 0 if error.kind in _UNBILLED else most
        status = f", HTTP {error.upstream_status}" if error.upstream_status else ""
        raise JudgeFailed(f"{target} gave no answer ({error.kind.replace('_', ' ')}{status})") from None
    finally:
        cost.nano_usd += paid
        _settle(held, usage, paid)
        if paid != most:
            with suppress(StoreAway):  # then the reservation stands
                await store.settle_for_judge(question.agent, day, paid - most)


async def _reserve(question: JudgeQuestion, size: int, runtime: Runtime) -> Reservation | None:
    """Reserve what a question may take of its agent's limits. Raises JudgePaused, StoreAway."""
    if question.limits is None:
        return None
    estimate = (size + _EXTRA_TOKENS, LEAST_OUTPUT)
    try:
        return await question.limits.admit_question(question.agent, question.judge.target, estimate, runtime.prices)
    except CallerError as error:
        raise JudgePaused(f"the agent's own limits have no room: {error}") from None


def _settle(held: Reservation | None, usage: Usage | None, paid: int) -> None:
    """Count what a question took of its agent's limits: all that was reserved where nobody says."""
    if held is None:
        return
    if usage is not None:
        held.settle_usage(usage, paid)
    elif paid:
        held.keep()
    else:
        held.release()


def _text_of(body: bytes) -> str:
    message = read_answer(body)["choices"][0]["message"]
    return "".join(content_texts(message.get("content")))
