"""The Responses API, as a client's format."""

from gateway.formats.answer_ids import AnswerIds
from gateway.formats.door import Door
from gateway.formats.openai_chat.client_request import assistant_message, is_question
from gateway.formats.openai_chat.errors import ERROR_SHAPE, error_body
from gateway.formats.openai_responses import NAME
from gateway.formats.openai_responses._echo import echo_in_answer, echo_in_frame
from gateway.formats.openai_responses._references import CONVERSATIONS, REFERENCES
from gateway.formats.openai_responses.client_answer import write_reply
from gateway.formats.openai_responses.client_request import PREVIOUS, opening, read
from gateway.formats.openai_responses.client_stream import ResponsesWriter
from gateway.formats.openai_responses.errors import error_event
from gateway.formats.prompt_echo import PromptEcho
from gateway.formats.protocol import ClientFacts, ClientSide, ConversationLayout
from gateway.formats.values import holds

CLIENT = ClientSide(
    name=NAME,
    facts=ClientFacts(
        ConversationLayout("input", assistant_message, is_question, system=("instructions",)),
        error_shape=ERROR_SHAPE,
        keeps_answer=lambda request: request.get("store") is not False,
        continues=PREVIOUS,
        answer_id=AnswerIds(b"resp"),
        stored=lambda request: request.get("store") is not False,
        asks_json=lambda request: holds(request.get("text"), "format"),
        echo=PromptEcho(echo_in_answer, echo_in_frame),
    ),
    door=Door(
        ("/v1/responses",),
        tries_websocket=True,  # Codex and OpenAI's SDKs try one
        references=REFERENCES,
        other_references=CONVERSATIONS,
        prompted="input",
        title="OpenAI's Responses",
    ),
    prompt=read,
    opening=opening,
    reply=write_reply,
    writer=ResponsesWriter,
    error=error_body,
    error_event=error_event,
)
