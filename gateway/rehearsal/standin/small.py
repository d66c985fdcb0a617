"""OpenAI's endpoints beside the models that talk: embeddings, images, speech, transcriptions, moderations."""

import base64
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Literal

from .answers import Said, encode
from .asks import Ask, fields_of, items, model_of, plain_ask, refuse
from .chat import OPENAI, error_body
from .multipart import form_of
from .shapes import Shape
from .wire import JSON, StandinRequest

DIMENSIONS = 8  # of an embedding that asks for no number: enough to tell two texts apart
MOST_DIMENSIONS = 4096
PIXEL = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\nIDATx\x9cc\0\1\0\0\5\0\1\r\n-\xb4\0\0\0\0IEND\xaeB`\x82"
).decode()
MPEG = b"ID3\x04\0\0\0\0\0\0"  # an empty tag, then what is said as it is: bytes that are no text
MODERATION = "omni-moderation-latest"
CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm"),
    *("self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"),
)
AUDIO = {"mp3": b"audio/mpeg", "opus": b"audio/opus", "aac": b"audio/aac", "flac": b"audio/flac", "wav": b"audio/wav"}


def _reading(needed: str) -> Callable[[StandinRequest], Ask]:
    def read(request: StandinRequest) -> Ask:
        fields = fields_of(request.body)
        if fields.get(needed) in (None, "", []):
            refuse(f"Missing required parameter: '{needed}'.", needed, "missing_required_parameter")
        return plain_ask(model_of(fields), fields, request.body)

    return read


def _read_moderation(request: StandinRequest) -> Ask:
    fields = fields_of(request.body)
    if not fields.get("input"):
        refuse("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    return plain_ask(model_of({"model": MODERATION, **fields}), fields, request.body)


def _read_form(request: StandinRequest) -> Ask:
    form = form_of(request)
    if "file" not in form:
        refuse("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    fields = {name: field.text for name, field in form.items() if not field.filename}
    return plain_ask(model_of(fields), fields, request.body)


def _embeddings(ask: Ask, said: Said) -> bytes:
    given = ask.fields.get("input")
    # a text, or one text in tokens, is one input; a list of either has many
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    data = [
        {"object": "embedding", "index": at, "embedding": _shown(ask, _vector(ask, each))}
        for at, each in enumerate(inputs)
    ]
    return _embedded(said, data)


def _embedded(said: Said, data: list[dict[str, object]]) -> bytes:
    usage = {"prompt_tokens": said.prompt_tokens, "total_tokens": said.prompt_tokens}
    return encode({"object": "list", "data": data, "model": said.model, "usage": usage})


def _vector(ask: Ask, text: object) -> list[float]:
    """Numbers from 0 to 1 that follow from the text alone, exact in four bytes."""
    asked = ask.fields.get("dimensions")
    count = asked if isinstance(asked, int) and 0 < asked <= MOST_DIMENSIONS else DIMENSIONS
    seed = encode(text)
    return [(zlib.crc32(seed, at) >> 8) / (1 << 24) for at in range(count)]


def _shown(ask: Ask, vector: list[float]) -> object:
    if ask.fields.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


def _images(ask: Ask, said: Said) -> bytes:
    count = ask.fields.get("n")
    image = {"b64_json": PIXEL, "revised_prompt": ask.fields.get("prompt")}
    return _imaged(said, [image] * (count if isinstance(count, int) and 0 < count <= 10 else 1))


def _imaged(said: Said, data: list[dict[str, object]]) -> bytes:
    prompt, _, output = said.bill
    details = {"image_tokens": 0, "text_tokens": prompt}
    usage = {"input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output}
    return encode({"created": said.created, "data": data, "usage": {**usage, "input_tokens_details": details}})


def _transcription(ask: Ask, said: Said) -> bytes:
    text = "".join(said.text)
    if ask.fields.get("response_format") == "text":
        return text.encode() + b"\n"
    prompt, _, output = said.bill
    usage = {"type": "tokens", "input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output}
    details = {"audio_tokens": prompt, "text_tokens": 0}
    return encode({"text": text, "usage": {**usage, "input_token_details": details}})


def _moderations(ask: Ask, said: Said) -> bytes:
    inputs = items(ask.fields.get("input"))
    texts = inputs if inputs and isinstance(inputs[0], str) else [inputs]  # a list of parts is one input
    return _moderated(said, [_harmless()] * len(texts))


def _harmless() -> Mapping[str, object]:
    return {
        "flagged": False,
        "categories": dict.fromkeys(CATEGORIES, False),
        "category_scores": dict.fromkeys(CATEGORIES, 0.0),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _moderated(said: Said, results: list[Mapping[str, object]]) -> bytes:
    return encode({"id": f"modr-{said.number}", "model": said.model, "results": results})


def _audio(ask: Ask) -> bytes:
    asked = ask.fields.get("response_format")
    return AUDIO.get(asked, b"application/octet-stream") if isinstance(asked, str) else AUDIO["mp3"]


def _written(ask: Ask) -> bytes:
    return b"text/plain; charset=utf-8" if ask.fields.get("response_format") == "text" else JSON


def _shape(
    read: Callable[[StandinRequest], Ask],
    whole: Callable[[Ask, Said], bytes],
    empty: Callable[[Ask, Said], bytes],
    charges: Literal["all", "prompt", "nothing"],
    kind: Callable[[Ask], bytes] = lambda ask: JSON,
) -> Shape:
    """Make the shape of an endpoint that has neither streams nor tools."""
    return Shape(
        family=OPENAI,
        read=read,
        whole=whole,
        empty=empty,
        failed=lambda ask, said, problem: error_body(problem),
        charges=charges,
        kind=kind,
        calls_tools=False,
    )


EMBEDDINGS = _shape(_reading("input"), _embeddings, lambda ask, said: _embedded(said, []), "prompt")
IMAGES = _shape(_reading("prompt"), _images, lambda ask, said: _imaged(said, []), "all")
MODERATIONS = _shape(_read_moderation, _moderations, lambda ask, said: _moderated(said, []), "nothing")
SPEECH = _shape(
    _reading("input"), lambda ask, said: MPEG + "".join(said.text).encode(), lambda ask, said: b"", "all", _audio
)
TRANSCRIPTIONS = _shape(_read_form, _transcription, lambda ask, said: b'{"text":""}', "all", _written)
