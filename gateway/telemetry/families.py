"""The table of all metrics of `/metrics`: their names, labels and meaning. docs/metrics.md is its copy for people."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "info"]
Merge = Literal["sum", "max", "min"]

# The boundaries of OpenTelemetry's conventions for generative AI, which others' dashboards expect.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_SECONDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
TOKENS = tuple(4**power for power in range(14))
OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.024)


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric: `name` is that of its samples. `merge` says how the values of several processes become one.

    A counter's values are counted as whole `parts` of its unit, so that sums are exact.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    merge: Merge = "sum"
    parts: float = 1.0

    @property
    def width(self) -> int:
        """Return how many numbers a value is: of a histogram one for each bucket, the endless one too, and the sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


_VERSION = ("agent", "version", "arm")
_TARGET = ("provider", "model")
_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")

CALLS = MetricFamily(
    "serinus_calls_total", "counter", "Calls that have ended, by how they ended.", (*_VERSION, "key", "format", "end")
)
ATTEMPTS = MetricFamily(
    "serinus_attempts_total", "counter", "Attempts at targets; the failure is empty after a success.",
    (*_VERSION, *_TARGET, "failure"),
)  # fmt: skip
FALLBACKS = MetricFamily(
    "serinus_fallbacks_total", "counter",
    "Attempts at another target after one had failed; the reason is that one's failure.",
    ("agent", "from", "to", "reason"),
)  # fmt: skip
COST = MetricFamily(
    "serinus_cost_usd_total", "counter", "What attempts cost in US dollars, where the target has a price.",
    (*_VERSION, "key", *_TARGET), parts=1e9,
)  # fmt: skip
UNPRICED = MetricFamily(
    "serinus_unpriced_calls_total", "counter", "Attempts with tokens at a target without a known price.",
    ("agent", "version", *_TARGET),
)  # fmt: skip
SCORES = MetricFamily("serinus_quality_scores_total", "counter", "Scores of feedback that were taken.", _VERSION)
BEHAVIOURS = MetricFamily(
    "serinus_behaviours_total", "counter", "Calls that show a behaviour, such as an answer that was cut off.",
    (*_VERSION, "behaviour"),
)  # fmt: skip
REFUSED = MetricFamily(
    "serinus_refused_total", "counter", "Requests that the gateway refused itself, by status and error code.",
    ("status", "code"),
)  # fmt: skip
RECORDS_DROPPED = MetricFamily(
    "serinus_records_dropped_total", "counter",
    "Calls whose record, or whose texts, were to be kept and were not: `call`, `content`.", ("kind",),
)  # fmt: skip
JUDGED = MetricFamily(
    "serinus_judge_calls_total", "counter",
    "Calls that a judge was asked about: passed or failing, undecided after two replies, failed without one.",
    ("agent", "version", "end"),
)  # fmt: skip
JUDGE_COST = MetricFamily(
    "serinus_judge_cost_usd_total", "counter", "What judges of live calls cost in US dollars, apart from calls.",
    ("agent",), parts=1e9,
)  # fmt: skip
JUDGE_DROPPED = MetricFamily(
    "serinus_judge_dropped_total", "counter",
    "Sampled calls that a judge did not grade, by why; of a `taken` one, it or its unit was graded before.",
    ("agent", "reason"),
)  # fmt: skip
SPANS_DROPPED = MetricFamily(
    "serinus_spans_dropped_total", "counter", "Spans that reached no receiver, by what became of them.", ("reason",)
)
DECISIONS = MetricFamily(
    "serinus_rollout_decisions_total", "counter", "Changes of a rollout's record, by what was decided.",
    ("agent", "action"),
)  # fmt: skip
LIMITED = MetricFamily(
    "serinus_limited_total", "counter", "Calls that a limit had no room for, by the level and kind of the limit.",
    ("level", "kind"),
)  # fmt: skip
SHED = MetricFamily(
    "serinus_shed_total", "counter", "Calls refused for the gateway's own state, by the reason.", ("reason",)
)
DURATION = MetricFamily(
    "gen_ai_client_operation_duration_seconds", "histogram", "Duration of attempts that were sent to a target.",
    (*_VERSION, *_GEN_AI, "provider", "error_type"), SECONDS,
)  # fmt: skip
TOKEN_USAGE = MetricFamily(
    "gen_ai_client_token_usage", "histogram", "Tokens of an attempt, input and output.",
    (*_VERSION, *_GEN_AI, "provider", "gen_ai_token_type"), TOKENS,
)  # fmt: skip
FIRST_TOKEN = MetricFamily(
    "gen_ai_server_time_to_first_token_seconds", "histogram",
    "From a request to the first token of its answer, for streams.", (*_VERSION, "format"), FIRST_TOKEN_SECONDS,
)  # fmt: skip
OVERHEAD = MetricFamily(
    "serinus_overhead_seconds", "histogram",
    "What an answered call of one attempt took beside that attempt: the gateway's own part.",
    ("format",), OVERHEAD_SECONDS,
)  # fmt: skip

IN_FLIGHT = MetricFamily("serinus_in_flight", "gauge", "Calls that are being answered.")
LOOP_DELAY = MetricFamily(
    "serinus_loop_delay_seconds", "gauge", "How late the event loop is, at the worker where it is latest.", merge="max"
)
MEMORY_USED = MetricFamily(
    "serinus_memory_used_ratio", "gauge", "Used share of the memory limit, 0 without one; the highest of the workers.",
    merge="max",
)  # fmt: skip
CIRCUIT_OPEN = MetricFamily(
    "serinus_circuit_open", "gauge", "1 while the target's circuit is not closed at any worker.", _TARGET, merge="max"
)
STORE_UP = MetricFamily("serinus_store_up", "gauge", "1 while every worker reaches the store.", merge="min")
QUARANTINE = MetricFamily(
    "serinus_quarantine", "gauge",
    "1 while a worker keeps the agent's calls off the canary by its own counts.", ("agent",), merge="max",
)  # fmt: skip
BUDGET_USED = MetricFamily(
    "serinus_budget_used_ratio", "gauge", "Used share of a limit of a key, a group or an agent, over all replicas.",
    ("level", "name", "kind", "window"), merge="max",
)  # fmt: skip
CONFIG_PROBLEMS = MetricFamily(
    "serinus_config_problems", "gauge", "Problems of the files as they are now; the last good ones serve.", merge="max"
)
CONFIG_LOADED = MetricFamily(
    "serinus_config_loaded_timestamp_seconds", "gauge", "When the configuration that serves was loaded.", merge="min"
)
MODEL_SHUTDOWN = MetricFamily(
    "serinus_model_shutdown_timestamp_seconds", "gauge",
    "The day on which a provider ends a model in use, within 60 days.", ("agent", *_TARGET), merge="max",
)  # fmt: skip
NOTICES_PENDING = MetricFamily(
    "serinus_notices_pending", "gauge", "Notices that no receiver has taken yet and that are tried again.", merge="max"
)
HANDOVERS_WAITING = MetricFamily(
    "serinus_handovers_waiting", "gauge", "Conversations that wait for a person's reply, of the latest 200 handovers.",
    ("agent",), merge="max",
)  # fmt: skip
REVIEWS_WAITING = MetricFamily(
    "serinus_reviews_waiting", "gauge", "Answers that wait for people who review them.", ("agent",), merge="max"
)
BUILD_INFO = MetricFamily("serinus_build_info", "info", "The version of the gateway.", ("version",))

ROLLOUT_INFO = MetricFamily(
    "serinus_rollout_info", "info", "The configured versions of an agent.", ("agent", "stable", "canary")
)
EVAL_VERDICT = MetricFamily(
    "serinus_eval_verdict", "gauge",
    "1 for the verdict on record of a canary that needs an evaluation; `missing` without a record.",
    ("agent", "version", "verdict"),
)  # fmt: skip
JUDGE_SAMPLE = MetricFamily(
    "serinus_judge_sample_ratio", "gauge",
    "Share of the agent's calls that its judge is to grade, at the canary's weight and of recorded texts.", ("agent",),
)  # fmt: skip
PHASE = MetricFamily("serinus_rollout_phase", "gauge", "1 for the phase of the agent's rollout.", ("agent", "phase"))
WEIGHT = MetricFamily("serinus_rollout_weight_ratio", "gauge", "The canary's share of the agent's units.", ("agent",))
STEP = MetricFamily("serinus_rollout_step", "gauge", "The step of the agent's rollout, from 1.", ("agent",))
EVIDENCE = MetricFamily(
    "serinus_rollout_evidence_log10", "gauge", "Power of ten of the E-value against the canary.", ("agent",)
)
THRESHOLD = MetricFamily(
    "serinus_rollout_evidence_threshold_log10", "gauge",
    "Power of ten of the E-value at which a canary is rolled back.", ("agent",),
)  # fmt: skip
MEASURED = MetricFamily(
    "serinus_rollout_measured", "gauge", "What a guardrail measures on an arm, in the metric's unit.",
    ("agent", "guardrail", "arm"),
)  # fmt: skip
LIMIT = MetricFamily(
    "serinus_rollout_limit", "gauge", "A guardrail's limit for the canary, in the metric's unit.",
    ("agent", "guardrail"),
)  # fmt: skip
SPLIT_MISMATCH = MetricFamily(
    "serinus_rollout_split_mismatch", "gauge",
    "1 while the canary's share of the calls is proven not to be its weight.", ("agent",),
)  # fmt: skip

COUNTED = (
    CALLS, ATTEMPTS, FALLBACKS, COST, UNPRICED, SCORES, BEHAVIOURS, JUDGED, JUDGE_COST, JUDGE_DROPPED, DECISIONS,
    REFUSED, RECORDS_DROPPED, SPANS_DROPPED, LIMITED, SHED, DURATION, TOKEN_USAGE, FIRST_TOKEN, OVERHEAD,
)  # fmt: skip
OF_EACH_PROCESS = (
    IN_FLIGHT, LOOP_DELAY, MEMORY_USED, CIRCUIT_OPEN, STORE_UP, QUARANTINE, BUDGET_USED, CONFIG_PROBLEMS, CONFIG_LOADED,
)  # fmt: skip
OF_ALL = (
    NOTICES_PENDING, HANDOVERS_WAITING, REVIEWS_WAITING, MODEL_SHUTDOWN, BUILD_INFO, ROLLOUT_INFO, EVAL_VERDICT,
    JUDGE_SAMPLE, PHASE, WEIGHT, STEP, EVIDENCE, THRESHOLD, MEASURED, LIMIT, SPLIT_MISMATCH,
)  # fmt: skip
FAMILIES = (*COUNTED, *OF_EACH_PROCESS, *OF_ALL)
