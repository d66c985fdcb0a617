"""The Interactions API, as a client's format."""

from gateway.formats.gemini_interactions import NAME
from gateway.formats.gemini_interactions._door import DOOR, answer_id
from gateway.formats.gemini_interactions._terms import PREVIOUS
from gateway.formats.gemini_interactions.client_answer import write_reply
from gateway.formats.gemini_interactions.client_request import (
    assistant_message,
    is_question,
    read_opening,
    read_prompt,
)
from gateway.formats.gemini_interactions.client_stream import InteractionWriter
from gateway.formats.gemini_interactions.errors import write_error, write_error_event
from gateway.formats.limit_headers import no_headers
from gateway.formats.protocol import ClientFacts, ClientSide, ConversationLayout

CLIENT = ClientSide(
    name=NAME,
    facts=ClientFacts(
        ConversationLayout("input", assistant_message, is_question, may_lead=False, system=("system_instruction",)),
        key_headers=(b"x-goog-api-key",),
        keeps_answer=lambda request: request.get("store") is not False,
        continues=PREVIOUS,
        answer_id=answer_id,
        stored=lambda request: request.get("store") is not False,
        asks_json=lambda request: "response_format" in request or "response_mime_type" in request,
    ),
    door=DOOR,
    prompt=read_prompt,
    opening=read_opening,
    reply=write_reply,
    writer=InteractionWriter,
    error=write_error,
    error_event=write_error_event,
    limit_headers=no_headers,
)
