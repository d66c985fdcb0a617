"""The door to the judges: who may come in, what is asked through it, and what it costs."""

import json
from pathlib import Path

import pytest

from evals.running.cost_limit import LimitReached
from gateway.rehearsal.standin import ModelBehaviour
from tests.evals.scorers.commands import evaluating, evaluator_in, scored

pytestmark = [pytest.mark.socket, pytest.mark.process]
CHAT = "answer = asked('/chat/completions', {'model': 'gpt-4.1', 'messages': [{'role': 'user', 'content': 'Good?'}]%s})"
TELL = "; reply['reason'] = json.dumps(answer)"


async def test_a_child_asks_the_judge(tmp_path: Path) -> None:
    """In OpenAI's way, whatever model it names: the suite's judge answers at temperature 0, and is paid by the run."""
    async with evaluating(tmp_path) as (standin, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), run=CHAT % ", 'temperature': 0.9, 'seed': 7" + TELL)
        (request,) = standin.requests
        spent = evaluators.judges.targets.cost_limit.spent
    body, answer = json.loads(request.body), json.loads(found.reason)
    assert (body["model"], body["temperature"], body["seed"]) == ("good", 0, 7)
    assert answer["choices"][0]["message"]["content"].startswith("shipped") and answer["model"] == "gpt-4.1"
    assert spent > 8_000_000


async def test_a_child_asks_the_embedder(tmp_path: Path) -> None:
    """The one that its evaluator names."""
    run = "answer = asked('/embeddings', {'model': 'x', 'input': ['a', 'b'], 'encoding_format': 'base64'})" + TELL
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path, embedder="standin/good"), run=run)
    assert [len(each["embedding"]) for each in json.loads(found.reason)["data"]] == [8, 8]


@pytest.mark.parametrize(
    ("run", "status", "words"),
    [
        (CHAT % ", 'stream': True", 400, "streams are not answered here"),
        ("answer = asked('/embeddings', {'input': ['a']})", 400, "no embedder is named"),
        ("answer = asked('/embeddings', {'input': [[1, 2]]})", 400, "not of tokens"),
        ("answer = asked('/responses', {})", 404, "only POST"),
        ("answer = asked('/chat/completions', [])", 404, "only POST"),
        ("os.environ['OPENAI_API_KEY'] = 'x'; " + CHAT % "", 401, "none of this run"),
    ],
)
async def test_the_door_refuses(run: str, status: int, words: str, tmp_path: Path) -> None:
    """What it does not know, and who has no key, with a status that clients do not try again."""
    async with evaluating(tmp_path) as (standin, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), run=run + TELL)
        assert not list(standin.requests)
    answer = json.loads(found.reason)
    assert answer["status"] == status and words in answer["error"]["message"]


async def test_a_judge_that_fails_is_told_to_the_child(tmp_path: Path) -> None:
    """In the words of its provider."""
    async with evaluating(tmp_path) as (standin, evaluators):
        standin.behave("good", ModelBehaviour(error_rate=1, status=400, error_message="no such thing"))
        found = await scored(evaluators, evaluator_in(tmp_path), run=CHAT % "" + TELL)
    assert "no such thing" in found.reason


async def test_the_limit_ends_the_run(tmp_path: Path) -> None:
    """Whatever the child makes of the refused call."""
    async with evaluating(tmp_path, 1_000_000) as (standin, evaluators):
        with pytest.raises(LimitReached):
            await scored(evaluators, evaluator_in(tmp_path), run=CHAT % "")
        assert not list(standin.requests)


async def test_several_answers_are_reserved_for(tmp_path: Path) -> None:
    """A request for `n` of them costs so many times as much."""
    async with evaluating(tmp_path, 5_000_000_000) as (standin, evaluators):
        assert (await scored(evaluators, evaluator_in(tmp_path), run=CHAT % "")).passed  # 4.1 USD are reserved
        with pytest.raises(LimitReached):
            await scored(evaluators, evaluator_in(tmp_path), run=CHAT % ", 'n': 2")
        with pytest.raises(LimitReached):
            await scored(evaluators, evaluator_in(tmp_path), run=CHAT % ", 'max_tokens': 5000")
        assert len(list(standin.requests)) == 1


async def test_calls_of_a_child_end_with_it(tmp_path: Path) -> None:
    """Nobody waits for their answers, and the provider may bill them: they count."""
    async with evaluating(tmp_path) as (standin, evaluators):
        standin.behave("good", ModelBehaviour(latency_seconds=300))
        found = await scored(evaluators, evaluator_in(tmp_path, timeout=4.0), run=CHAT % "")
        assert found.undecided and "did not answer within 4 s" in found.reason
        assert evaluators.judges.targets.cost_limit.spent > 4_000_000_000


async def test_without_a_judge_there_is_no_door(tmp_path: Path) -> None:
    """Nor a key."""
    run = "reply['reason'] = str(os.environ.get('OPENAI_BASE_URL'))"
    async with evaluating(tmp_path, judge=None) as (_, evaluators):
        assert (await scored(evaluators, evaluator_in(tmp_path), run=run)).reason == "None"


async def test_a_stranger_at_the_door_is_sent_away(tmp_path: Path) -> None:
    """Whoever speaks no HTTP, or sends too much, gets an error or no answer; the door goes on."""
    run = (
        "import socket, urllib.parse as parse; place = parse.urlsplit(os.environ['OPENAI_BASE_URL']); answer = []\n"
        "for sent in (b'x' * 100000, b'POST /v1/embeddings HTTP/1.1\\r\\ncontent-length: 99999999\\r\\n\\r\\n'):\n"
        "    line = socket.create_connection((place.hostname, place.port)); line.settimeout(10)\n"
        "    try:\n"
        "        line.sendall(sent); answer.append(line.recv(20).decode())\n"
        "    except ConnectionError: answer.append('')\n"
        "reply['reason'] = json.dumps(answer)"
    )
    async with evaluating(tmp_path) as (_, evaluators):
        found = await scored(evaluators, evaluator_in(tmp_path), run=run)
        assert (await scored(evaluators, evaluator_in(tmp_path), run=CHAT % "")).passed
    assert json.loads(found.reason) == ["", "HTTP/1.1 400 Bad Req"]
