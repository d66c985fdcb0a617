"""The Messages API, as a client's format."""

from gateway.formats.answer_ids import AnswerIds
from gateway.formats.anthropic import NAME
from gateway.formats.anthropic._counting import COUNTING
from gateway.formats.anthropic._listing import LISTING
from gateway.formats.anthropic._others import OTHERS
from gateway.formats.anthropic.client_answer import write_reply
from gateway.formats.anthropic.client_request import is_question, opening, read_prompt
from gateway.formats.anthropic.client_stream import MessagesWriter
from gateway.formats.anthropic.errors import error_body, error_event, limit_headers
from gateway.formats.door import Door
from gateway.formats.openai_chat.client_request import assistant_message
from gateway.formats.protocol import ClientFacts, ClientSide, ConversationLayout
from gateway.formats.values import holds

CLIENT = ClientSide(
    name=NAME,
    facts=ClientFacts(
        ConversationLayout("messages", assistant_message, is_question, may_lead=False, system=("system",)),
        key_headers=(b"x-api-key",),
        id_header=b"request-id",
        keeps_answer=lambda request: "thread" in request,
        answer_id=AnswerIds(b"msg"),
        stored=lambda request: "thread" in request,
        asks_json=lambda request: "output_format" in request or holds(request.get("output_config"), "format"),
    ),
    door=Door(("/v1/messages",), owns="/v1/messages/", array="messages", title="Anthropic's Messages"),
    prompt=read_prompt,
    opening=opening,
    reply=write_reply,
    writer=MessagesWriter,
    error=error_body,
    error_event=error_event,
    listing=LISTING,
    counting=COUNTING,
    others=OTHERS,
    limit_headers=limit_headers,
)
