"""OpenAI's older completions as the stand-in reads and shapes them: a prompt in, text out, no tools."""

from collections.abc import Mapping, Sequence

from .answers import Said, StreamParts, encode
from .asks import Ask, fields_of, model_of, part, plain_ask, refuse, stream_of
from .chat import DONE, OPENAI, error_body, error_event, usage_of
from .shapes import Shape
from .wire import StandinRequest

NOT_JSON = b'{"id": "cmpl-'


def _read(request: StandinRequest) -> Ask:
    fields = fields_of(request.body)
    if not fields.get("prompt"):
        refuse("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    stream = stream_of(fields)
    usage = stream and part(fields.get("stream_options"), "include_usage") is True
    return plain_ask(model_of(fields), fields, request.body, stream=stream)._replace(include_usage=usage)


def _whole(ask: Ask, said: Said) -> bytes:
    return encode({**_top(said, [_choice("".join(said.text), "stop")]), "usage": usage_of(said)})


def _stream(ask: Ask, said: Said) -> StreamParts:
    made = {piece: _event(_top(said, [_choice(piece, None)])) for piece in dict.fromkeys(said.text)}
    usage = _usage_event(said) if ask.include_usage else b""
    closing = _event(_top(said, [_choice("", "stop")])) + usage + DONE
    return StreamParts(b"", tuple(made[piece] for piece in said.text), closing)


def _usage_event(said: Said) -> bytes:
    return _event({**_top(said, []), "usage": usage_of(said)})


def _top(said: Said, choices: Sequence[object]) -> Mapping[str, object]:
    top = {"id": f"cmpl-{said.number}", "object": "text_completion", "created": said.created, "model": said.model}
    return {**top, "choices": choices, "system_fingerprint": "fp_standin"}


def _choice(text: str, finish_reason: str | None) -> Mapping[str, object]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}


def _event(value: object) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


COMPLETIONS = Shape(
    family=OPENAI,
    read=_read,
    whole=_whole,
    empty=lambda ask, said: encode({**_top(said, []), "usage": usage_of(said)}),
    failed=lambda ask, said, problem: error_body(problem),
    stream=_stream,
    empty_stream=lambda ask, said: _usage_event(said) + DONE,
    error_event=lambda ask, said, problem, sent: error_event(problem),
    bad_event=b"data: " + NOT_JSON + b"\n\n" + DONE,
    not_json=NOT_JSON,
    calls_tools=False,
)
