"""Verdicts of judges in the store: a key for each call, which ends by itself, and hashes of sums."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.judging.agreement import Agreement
from gateway.judging.verdict import JudgeVerdict, decode, encode
from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import KEEP_VERDICT, RESERVE
from gateway.store.verdict_seam import MOST_VERDICTS, UNDECIDED, VERDICT_SECONDS, JudgeSums, VersionVerdicts

_SUMS_SECONDS: Final = 14 * 24 * 3600  # as of all sums of a rollout
_AGREEMENT_SECONDS: Final = 180 * 24 * 3600  # since the last label
_DAY_SECONDS: Final = 2 * 24 * 3600  # by clocks that need not agree
_MILLIONTHS: Final = 1_000_000
_KEYS_AT_ONCE: Final = 100
_LABELS: Final = {
    (True, True): "both_pass", (True, False): "judge_only", (False, True): "people_only", (False, False): "both_fail",
}  # fmt: skip


class KeptVerdicts:
    """The operations of `RedisStore` for judges."""

    async def claim_verdict(self: Reaching, agent: str, names: Sequence[str], seconds: int) -> bool:
        claimed: list[str] = []
        async with self._reach():
            for name in names:
                if not await self._client.set(_call(agent, name), self._replica, nx=True, ex=seconds):
                    if claimed:
                        await self._client.delete(*claimed)
                    return False
                claimed.append(_call(agent, name))
        return True

    async def release_claim(self: Reaching, agent: str, names: Sequence[str]) -> None:
        async with self._reach():
            await self._client.delete(*(_call(agent, name) for name in names))

    async def keep_verdict(self: Reaching, key: str, verdict: JudgeVerdict, rollout: int) -> bool:
        score = round(verdict.score * _MILLIONTHS)
        counts = {"judged": 1, "passed": int(verdict.passed), "score": score, "squares": round(verdict.score * score)}
        keys = _call(verdict.agent, key), _sums(verdict.agent, verdict.judge, rollout)
        async with self._reach():
            arguments = (encode(verdict), VERDICT_SECONDS, _SUMS_SECONDS, *_fields(verdict.version, counts))
            return bool(await self._run(KEEP_VERDICT, keys, arguments))

    async def keep_undecided(self: Reaching, agent: str, key: str, judge: str, version: str, rollout: int) -> None:
        keys = _call(agent, key), _sums(agent, judge, rollout)
        async with self._reach():
            arguments = (UNDECIDED, VERDICT_SECONDS, _SUMS_SECONDS, *_fields(version, {"undecided": 1}))
            await self._run(KEEP_VERDICT, keys, arguments)

    async def find_verdicts(self: Reaching, agent: str, keys: Sequence[str]) -> dict[str, JudgeVerdict]:
        async with self._reach():
            found = await _texts(self, agent, keys)
        return {key: decode(text) for key, text in found.items() if text.startswith("{")}

    async def were_judged(self: Reaching, agent: str, keys: Sequence[str]) -> frozenset[str]:
        async with self._reach():
            return frozenset(await _texts(self, agent, keys))

    async def reserve_for_judge(self: Reaching, agent: str, day: str, nano_usd: int, most: int) -> bool:
        async with self._reach():
            arguments = (nano_usd, most, MOST_VERDICTS, _DAY_SECONDS)
            return bool(await self._run(RESERVE, (_spent(agent, day),), arguments))

    async def settle_for_judge(self: Reaching, agent: str, day: str, nano_usd: int) -> None:
        async with self._reach():
            await self._client.hincrby(_spent(agent, day), "nano_usd", nano_usd)

    async def judge_sums(self: Reaching, agent: str, judge: str, rollout: int, day: str) -> JudgeSums:
        async with self._reach():
            pipe = self._pipeline()
            pipe.hgetall(_sums(agent, judge, rollout))
            pipe.hgetall(_agreement(agent, judge))
            pipe.hget(_spent(agent, day), "nano_usd")
            sums, labels, spent = await self._execute(pipe)
        return JudgeSums(_by_version(sums), _agreement_of(labels), int(spent or 0))

    async def agreement(self: Reaching, agent: str, judge: str) -> Agreement:
        async with self._reach():
            labels: Any = await self._client.hgetall(_agreement(agent, judge))
        return _agreement_of(labels)

    async def count_label(self: Reaching, agent: str, judge: str, *, judge_passes: bool, person_passes: bool) -> None:
        async with self._reach():
            pipe, key = self._pipeline(), _agreement(agent, judge)
            pipe.hincrby(key, _LABELS[judge_passes, person_passes], 1)
            pipe.expire(key, _AGREEMENT_SECONDS)
            await self._execute(pipe)


def _call(agent: str, key: str) -> str:
    return key_of(agent, "judge", "call", key)


def _sums(agent: str, judge: str, rollout: int) -> str:
    return key_of(agent, "judge", "sums", judge, rollout)


def _agreement(agent: str, judge: str) -> str:
    return key_of(agent, "judge", "labels", judge)


def _spent(agent: str, day: str) -> str:
    return key_of(agent, "judge", "spent", day)


def _fields(version: str, counts: Mapping[str, int]) -> Iterable[str | int]:
    for name, count in counts.items():
        if count:
            yield f"{version}|{name}"
            yield count


async def _texts(store: Reaching, agent: str, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        portion = keys[first : first + _KEYS_AT_ONCE]
        pipe = store._pipeline()
        for key in portion:
            pipe.get(_call(agent, key))
        texts = await store._execute(pipe)
        found |= {key: text for key, text in zip(portion, texts, strict=True) if text}
    return found


def _by_version(fields: Mapping[str, str]) -> dict[str, VersionVerdicts]:
    counts: dict[str, dict[str, int]] = {}
    for name, count in fields.items():
        version, _, kind = name.rpartition("|")
        counts.setdefault(version, {})[kind] = int(count)
    return {version: _verdicts(found) for version, found in counts.items()}


def _verdicts(counts: Mapping[str, int]) -> VersionVerdicts:
    judged, passed, undecided = (counts.get(name, 0) for name in ("judged", "passed", "undecided"))
    score, squares = (counts.get(name, 0) / _MILLIONTHS for name in ("score", "squares"))
    return VersionVerdicts(judged, passed, score, squares, undecided)


def _agreement_of(fields: Mapping[str, str]) -> Agreement:
    return Agreement(**{name: int(fields.get(name, 0)) for name in _LABELS.values()})
