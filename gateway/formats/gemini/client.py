"""GenerateContent, as a client's format."""

from gateway.formats.gemini import NAME
from gateway.formats.gemini._counting import COUNTING
from gateway.formats.gemini._door import DOOR, LISTING
from gateway.formats.gemini._others import OTHERS
from gateway.formats.gemini.client_answer import write_reply
from gateway.formats.gemini.client_request import asks_json, assistant_message, is_question, read_opening, read_prompt
from gateway.formats.gemini.client_stream import StreamWriter
from gateway.formats.gemini.errors import write_error, write_error_event
from gateway.formats.limit_headers import no_headers
from gateway.formats.protocol import ClientFacts, ClientSide, ConversationLayout

CLIENT = ClientSide(
    name=NAME,
    facts=ClientFacts(
        ConversationLayout(
            "contents",
            assistant_message,
            is_question,
            may_lead=False,
            system=("systemInstruction", "system_instruction"),
        ),
        key_headers=(b"x-goog-api-key",),
        asks_json=asks_json,
    ),
    door=DOOR,
    prompt=read_prompt,
    opening=read_opening,
    reply=write_reply,
    writer=StreamWriter,
    error=write_error,
    error_event=write_error_event,
    limit_headers=no_headers,
    listing=LISTING,
    counting=COUNTING,
    others=OTHERS,
)
