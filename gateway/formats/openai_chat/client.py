"""Chat completions, as a client's format."""

from gateway.formats.answer_ids import AnswerIds
from gateway.formats.door import Door
from gateway.formats.openai_chat import NAME
from gateway.formats.openai_chat._listing import LISTING
from gateway.formats.openai_chat.client_answer import write_reply
from gateway.formats.openai_chat.client_request import assistant_message, is_question, opening, read_prompt
from gateway.formats.openai_chat.client_stream import ChatWriter
from gateway.formats.openai_chat.errors import ERROR_SHAPE, error_body, error_event
from gateway.formats.protocol import ClientFacts, ClientSide, ConversationLayout

CLIENT = ClientSide(
    name=NAME,
    facts=ClientFacts(
        ConversationLayout("messages", assistant_message, is_question),
        error_shape=ERROR_SHAPE,
        answer_id=AnswerIds(b"chatcmpl"),
        stored=lambda request: request.get("store") is True,
        asks_json=lambda request: "response_format" in request,
    ),
    door=Door(("/v1/chat/completions",), array="messages", prompted="", title="chat completions"),
    prompt=read_prompt,
    opening=opening,
    reply=write_reply,
    writer=ChatWriter,
    error=error_body,
    error_event=error_event,
    listing=LISTING,
)
