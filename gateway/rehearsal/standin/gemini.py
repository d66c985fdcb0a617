"""Gemini's generateContent as the stand-in reads and shapes it; and its door and errors.

Source: ai.google.dev/api/generate-content, v1beta. Of streams only those with `alt=sse`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from urllib.parse import parse_qs, unquote

from .answers import SEALED, THOUGHT, Said, StandinError, StandinToolCall, StreamParts, encode, parsed
from .asks import Ask, AskedTool, Choice, StandinRefusal, fields_of, items, part, plain_ask, refuse, text_in, wanted
from .shapes import Family, Served, Shape, StandinDoor
from .turns import shares
from .wire import StandinRequest

MODEL_AND_VERB = re.compile(r"([^:]+):([A-Za-z]+)")
CAPITAL = re.compile("[A-Z]")
STREAM = "streamGenerateContent"
INVALID_KEY = "API_KEY_INVALID"
RPC = "type.googleapis.com/google.rpc."

# google.rpc.Code by HTTP status; every other below 500 is INVALID_ARGUMENT
STATUSES: dict[int, str] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


def _error(problem: StandinError) -> bytes:
    name = STATUSES.get(problem.status, "INTERNAL" if problem.status >= 500 else "INVALID_ARGUMENT")
    error: dict[str, object] = {"code": problem.status, "message": problem.message, "status": name}
    if problem.code == INVALID_KEY:
        domain = {"reason": INVALID_KEY, "domain": "googleapis.com"}
        error["details"] = [{"@type": f"{RPC}ErrorInfo", **domain}]
    elif problem.wait is not None:
        error["details"] = [{"@type": f"{RPC}RetryInfo", "retryDelay": f"{problem.wait:g}s"}]
    return encode({"error": error})


def _headers(served: Served) -> bytes:
    return f"server-timing: gfet4t7; dur={served.seconds * 1000:.0f}\r\nx-content-type-options: nosniff\r\n".encode()


GOOGLE = Family(
    door=StandinDoor(
        ways=((b"x-goog-api-key", b""),),
        missing=StandinError(403, "Method doesn't allow unregistered callers (callers without established identity)."),
        wrong=StandinError(400, "API key not valid. Please pass a valid API key.", code=INVALID_KEY),
    ),
    error=_error,
    headers=_headers,
)


def _read(request: StandinRequest) -> Ask:
    model, verb = _place(request.path)
    if verb == STREAM and parse_qs(request.query).get("alt") != ["sse"]:
        refuse("The stand-in streams with alt=sse alone.")
    fields = fields_of(request.body)
    asked = _member(fields, "generateContentRequest") if verb == "countTokens" else None
    contents = items(fields.get("contents")) or items(part(asked, "contents"))
    if not contents:
        refuse("* GenerateContentRequest.contents: contents is not specified\n")
    tools = tuple(_tools(fields.get("tools")))
    choice = _choice(_member(_member(fields, "toolConfig"), "functionCallingConfig"))
    may_call = bool(tools) and not choice.forbidden and not _is_result(contents[-1])
    return plain_ask(model, fields, request.body, stream=verb == STREAM)._replace(
        tools=tools,
        wanted=wanted(tools, choice, _last_user_text(contents)) if may_call else (),
        may_call=may_call,
        schema=_schema(_member(fields, "generationConfig")),
    )


def _member(value: object, name: str) -> object:
    """A member by its name in camel case, or in snake case as Google's own clients may send it."""
    found = part(value, name)
    return part(value, CAPITAL.sub(lambda at: f"_{at[0].lower()}", name)) if found is None else found


def _place(path: str) -> tuple[str, str]:
    """Model and method of a path."""
    found = MODEL_AND_VERB.fullmatch(unquote(path).partition("/models/")[2])
    if found is None or not found[1].isprintable():
        raise StandinRefusal(404, f"Invalid path: {path}")
    return found[1], found[2]


def _tools(listed: object) -> Iterator[AskedTool]:
    for declared in (each for tool in items(listed) for each in items(_member(tool, "functionDeclarations"))):
        name = part(declared, "name")
        if not isinstance(name, str):
            refuse("* GenerateContentRequest.tools[0].function_declarations[0].name: name is not specified\n")
        yield AskedTool(name, _member(declared, "parametersJsonSchema") or _json_schema(part(declared, "parameters")))


def _choice(said: object) -> Choice:
    mode = part(said, "mode")
    names = tuple(name for name in items(_member(said, "allowedFunctionNames")) if isinstance(name, str))
    return Choice(names[:1] if mode == "ANY" else (), required=mode == "ANY", forbidden=mode == "NONE")


def _is_result(content: object) -> bool:
    return any(_member(each, "functionResponse") is not None for each in items(part(content, "parts")))


def _last_user_text(contents: Sequence[object]) -> str:
    user = next((each for each in reversed(contents) if part(each, "role") in (None, "user")), None)
    return text_in(part(user, "parts"))


def _schema(config: object) -> object:
    if _member(config, "responseMimeType") != "application/json":
        return None
    given = _member(config, "responseJsonSchema") or _member(config, "_responseJsonSchema")
    return given or _json_schema(_member(config, "responseSchema")) or {"type": "object"}


def _json_schema(schema: object) -> object:
    """Google's Schema, which writes its types in capitals and its numbers as text, as JSON Schema."""
    if isinstance(schema, list):
        return [_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _json_schema(value) for name, value in schema.items()}
    if isinstance(kind := found.get("type"), str):
        found["type"] = kind.lower()
    for bound in ("minItems", "minLength"):
        if isinstance(number := found.get(bound), str) and number.isascii() and number.isdigit():
            found[bound] = int(number[:9])
    return found


def _whole(ask: Ask, said: Said) -> bytes:
    thoughts = [_thought()] if _thinks(ask, said) else []
    parts = [_function_call(said, call) for call in said.calls] or [{"text": "".join(said.text)}]
    return _answer(said, [_candidate(said, [*thoughts, *parts], ends=True)], said.bill.completion)


def _empty(ask: Ask, said: Said) -> bytes:
    return _answer(said, [], said.bill.completion)


def _stream(ask: Ask, said: Said) -> StreamParts:
    """Chunks of one shape: a thought if one is shown, the pieces, and a last one with the reason it ended."""
    opening = _chunk(said, [_candidate(said, [_thought()])], 0) if _thinks(ask, said) else b""
    whole = said.bill.completion
    texts = said.text or ("",)
    pieces = [_function_call(said, call) for call in said.calls] or [{"text": piece} for piece in texts]
    if _malformed(said):
        return StreamParts(opening, (), _chunk(said, [_candidate(said, [], ends=True)], whole))
    sent = accumulate(shares(whole, len(pieces)))
    content = tuple(
        _chunk(said, [_candidate(said, [piece])], tokens) for piece, tokens in zip(pieces, sent, strict=True)
    )
    return StreamParts(opening, content, _chunk(said, [_candidate(said, [{"text": ""}], ends=True)], whole))


def usage_of(said: Said, sent: int) -> dict[str, object]:
    """Gemini's usage once `sent` tokens of the completion are out: thoughts come first, beside the candidates'."""
    thoughts = min(sent, said.reasoning_tokens)
    text = [{"modality": "TEXT", "tokenCount": said.prompt_tokens}]
    usage: dict[str, object] = {
        "promptTokenCount": said.prompt_tokens,
        "candidatesTokenCount": sent - thoughts,
        "totalTokenCount": said.prompt_tokens + sent,
        "promptTokensDetails": text,
    }
    if said.cached_tokens:
        usage["cachedContentTokenCount"] = said.cached_tokens
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": said.cached_tokens}]
    return {**usage, "thoughtsTokenCount": thoughts} if thoughts else usage


def _answer(said: Said, candidates: Sequence[object], sent: int) -> bytes:
    """A whole answer, or a chunk; without candidates that member is left out, as Google does."""
    shown: Mapping[str, object] = {"candidates": candidates} if candidates else {}
    envelope = {"modelVersion": said.model, "responseId": f"gemini-{said.number}"}
    return encode({**shown, "usageMetadata": usage_of(said, sent), **envelope})


def _candidate(said: Said, parts: Sequence[object], *, ends: bool = False) -> dict[str, object]:
    if _malformed(said):
        calls = "; ".join(f"{call.name}{call.whole}" for call in said.calls)
        message = f"Malformed function call: {calls}"
        return {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": message, "index": 0}
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return {**candidate, "finishReason": "MAX_TOKENS" if said.is_truncated else "STOP"} if ends else candidate


def _malformed(said: Said) -> bool:
    """Arguments are an object here: that they would be none is said by the reason of the end."""
    return any(parsed(call) is None for call in said.calls)


def _thinks(ask: Ask, said: Said) -> bool:
    config = _member(_member(ask.fields, "generationConfig"), "thinkingConfig")
    return said.reasoning_tokens > 0 and _member(config, "includeThoughts") is True and not _malformed(said)


def _thought() -> dict[str, object]:
    return {"text": THOUGHT, "thought": True}


def _function_call(said: Said, call: StandinToolCall) -> dict[str, object]:
    """A call's part; the first carries the signature of the thought behind it."""
    made: dict[str, object] = {"functionCall": {"id": f"call-{call.number}", "name": call.name, "args": parsed(call)}}
    signed = said.reasoning_tokens > 0 and call is said.calls[0]
    return {**made, "thoughtSignature": SEALED} if signed else made


def _chunk(said: Said, candidates: Sequence[object], sent: int) -> bytes:
    return b"data: " + _answer(said, candidates, sent) + b"\n\n"


GENERATE = Shape(
    family=GOOGLE,
    read=_read,
    whole=_whole,
    empty=_empty,
    failed=lambda ask, said, problem: _error(problem),
    stream=_stream,
    empty_stream=lambda ask, said: _chunk(said, [], said.bill.completion),
    error_event=lambda ask, said, problem, sent: b"data: " + _error(problem) + b"\n\n",
    bad_event=b'data: {"candidates": [{"content"\n\n',
    not_json=b'{"candidates": [{"content"',
)
COUNT = Shape(
    family=GOOGLE,
    read=_read,
    whole=lambda ask, said: encode({"totalTokens": said.prompt_tokens}),
    empty=lambda ask, said: b"{}",
    failed=lambda ask, said, problem: _error(problem),
    not_json=b'{"totalTokens": ',
    charges="nothing",
    calls_tools=False,
)


def _embedded(ask: Ask, said: Said) -> bytes:
    """The same numbers for every text."""
    values = {"values": [0.5] * 8}
    requests = items(ask.fields.get("requests"))
    return encode({"embeddings": [values] * len(requests)} if requests else {"embedding": values})


EMBED = Shape(
    family=GOOGLE,
    read=lambda request: plain_ask(_place(request.path)[0], fields_of(request.body), request.body),
    whole=_embedded,
    empty=lambda ask, said: b"{}",
    failed=lambda ask, said, problem: _error(problem),
    charges="prompt",
    calls_tools=False,
)
