"""Names of spans' attributes: the one table, in the two generations of the GenAI semantic conventions.

`V1_41` are those of semantic conventions v1.41, which deployed dashboards know; `LATEST` those of the repository
`semantic-conventions-genai` (0.1.0). A name that a generation does not have is '', and its attribute is left out.
"""

from typing import Final, NamedTuple

LATEST_OPT_IN: Final = "gen_ai_latest_experimental"
# Of OTEL_SEMCONV_STABILITY_OPT_IN: what other libraries read in the same variable, and means nothing here.
FOREIGN_OPT_INS: Final = frozenset(
    f"{name}{suffix}"
    for name in ("http", "database", "rpc", "code", "k8s", "messaging", "service.peer", "exceptions", "v8js")
    for suffix in ("", "/dup")
)


class SemanticNames(NamedTuple):
    """Attributes whose name or presence differs between the generations; `schema` is the URL of a generation's own
    description.
    """

    schema: str
    agent_id: str
    cache_written: str
    continued: str


V1_41: Final = SemanticNames(
    schema="https://opentelemetry.io/schemas/1.41.0",
    agent_id="gen_ai.agent.id",
    cache_written="gen_ai.usage.cache_creation.input_tokens",
    continued="",
)
LATEST: Final = SemanticNames(
    schema="",
    agent_id="",  # of internal spans it was taken away
    cache_written="gen_ai.usage.cache_write.input_tokens",
    continued="gen_ai.request.previous_response.id",
)

# The same in both.
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_VERSION: Final = "gen_ai.agent.version"
CONVERSATION: Final = "gen_ai.conversation.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
TEMPERATURE: Final = "gen_ai.request.temperature"
TOP_P: Final = "gen_ai.request.top_p"
TOP_K: Final = "gen_ai.request.top_k"
FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
SEED: Final = "gen_ai.request.seed"
CHOICE_COUNT: Final = "gen_ai.request.choice.count"
STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
OUTPUT_TYPE: Final = "gen_ai.output.type"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_TYPE: Final = "gen_ai.tool.type"
EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"
EVALUATION_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"

# General conventions.
ERROR_TYPE: Final = "error.type"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# Our own.
CALL_ID: Final = "serinus.call_id"
VERSION: Final = "serinus.version"
ARM: Final = "serinus.arm"
REASON: Final = "serinus.reason"
EPOCH: Final = "serinus.epoch"
KEY: Final = "serinus.key"
END: Final = "serinus.end"
SAMPLED_FOR: Final = "serinus.sampled_for"
TARGET: Final = "serinus.target"
FALLBACK: Final = "serinus.fallback"
HEDGE: Final = "serinus.hedge"
COST: Final = "serinus.cost_usd"
ESTIMATED: Final = "serinus.tokens_estimated"
FIRST_TOKEN: Final = "serinus.first_token_seconds"  # noqa: S105
UPSTREAM_ID: Final = "serinus.upstream_request_id"
ERROR_CODE: Final = "serinus.error_code"
DERIVED: Final = "serinus.derived"

# Values of `gen_ai.provider.name` for hosts that speak another provider's format; all others go by the format's own.
_PROVIDERS_BY_HOST: Final = (
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cohere.com", "cohere"),
    ("api.x.ai", "x_ai"),
)


def provider_at(host: str, usual: str) -> str:
    """Return the provider's name by its host, or that of its format."""
    return next((name for end, name in _PROVIDERS_BY_HOST if host == end or host.endswith("." + end)), usual)
