"""The operations for applications beside the calls: feedback, replies of people, and what a key may do and spend."""

from gateway.limits.limit_view import LimitView
from gateway.openapi.operation import JSON, OBJECT, TEXT, Json, Operation, answers, members, or_null

_BOOLEAN: Json = {"type": "boolean"}
_SCORE: Json = {"type": ["number", "boolean"], "minimum": 0, "maximum": 1}
_COMMENT: Json = {"type": ["string", "null"], "maxLength": 2000}
_FEEDBACK: Json = {
    **members(("score",), score=_SCORE, call_id=TEXT, conversation_id=TEXT, agent=TEXT, comment=_COMMENT),
    "oneOf": [{"required": ["call_id"]}, {"required": ["conversation_id"]}],
}
_SCORED = members(
    ("agent", "version", "arm", "counts"), agent=or_null(TEXT), version=or_null(TEXT), arm=or_null(TEXT),
    counts=_BOOLEAN, why=TEXT,
)  # fmt: skip
_NAMES: Json = {"anyOf": [{"type": "array", "items": TEXT}, {"type": "null"}]}
_KEY = members(
    ("name", "group", "agents", "models", "expires", "limits"), name=TEXT, group=or_null(TEXT), agents=_NAMES,
    models=_NAMES, expires=or_null(TEXT), limits={"type": "array", "items": LimitView},
)  # fmt: skip
_REPLY = members(("call_id", "agent", "reply"), call_id=TEXT, agent=TEXT, reply=or_null(OBJECT))

CALLERS = (
    Operation(
        "post", "/v1/feedback", "Score an answer: 0 (bad) to 1 (good), once. The version that answered is credited.",
        "callers", "caller", answers("What was scored, and whether it counts as evidence.", _SCORED),
        body={JSON: _FEEDBACK}, refusals=(404, 409),
    ),
    Operation(
        "get", "/v1/escalations/{call_id}/reply", "Read a person's reply to the caller's own handed-over call.",
        "callers", "caller", answers("The reply, null before there is one.", _REPLY),
    ),
    Operation(
        "get", "/keys/self", "Show the key's name and scope, and of each limit what is used and left.", "callers",
        "caller", answers("The key.", _KEY),
    ),
)  # fmt: skip
