"""The operations for operators: the state, what happened, what it cost, and commands."""

from gateway.contents.forgotten_view import ForgottenView
from gateway.handover.escalation_view import ConversationView, EscalationView
from gateway.history.costs_view import CostsView
from gateway.history.view import HistoryView
from gateway.judging.batch_view import JudgeBatchView
from gateway.limits.limit_view import KeysView
from gateway.openapi.operation import (
    ANYTHING,
    EVENTS,
    JSON,
    OBJECT,
    TEXT,
    Json,
    Operation,
    Parameter,
    Returns,
    Schema,
    answers,
    answers_or_page,
    members,
    or_null,
)  # fmt: skip
from gateway.rollout.status_view import AgentView, StatusView
from gateway.traces.view import CallList, CallView, ConversationList, ConversationTree
from policies.rollout.verbs import VERBS

_SINCE = Parameter("since", "A time ago, such as `1h` or `30d`, or by RFC 3339.")
_UNTIL = Parameter("until", "The end, written as `since`.")
_COUNT: Json = {"type": "number", "minimum": 0}
_BOOLEAN: Json = {"type": "boolean"}
_FLAG: Json = {"enum": ["true", "false", "1", "0", ""]}
_BEFORE = Parameter("before", "The `next` of the page before.")
_SEARCH = (
    Parameter("agent", "One agent."), Parameter("version", "One version."),
    Parameter("unanswered", "Only those whose client got an error or a broken answer.", _FLAG),
    Parameter("min_cost", "The lowest cost, in USD."), _SINCE, _BEFORE,
    Parameter("limit", "Entries on the page, 100 at most."),
)  # fmt: skip
_ACTOR: Json = {"type": "string", "minLength": 1, "maxLength": 500}
_SIGNED = members(("actor", "reason"), actor=_ACTOR, reason=_ACTOR)
_COMMAND = {**_SIGNED, "properties": {**_SIGNED["properties"], "weight": TEXT, "metric": TEXT, "to": {"const": "end"},
            "without_evaluation": {"const": True}}, "additionalProperties": False}  # fmt: skip
_FORGET = {**_SIGNED, "additionalProperties": False}
_SHARE: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_BATCH = {**members((), since=TEXT, before=or_null(TEXT), sample=_SHARE,
                    limit=or_null(_COUNT), max_cost=or_null(_COUNT)), "additionalProperties": False}  # fmt: skip
_REPLIED = members(
    ("message",), message={"type": "string", "minLength": 1, "maxLength": 32000}, actor=_ACTOR, call_id=TEXT
)
_ESCALATIONS = members(
    ("escalations", "next"), escalations={"type": "array", "items": EscalationView}, next=or_null(TEXT)
)  # fmt: skip
_EVENTS: Json = {"type": "array", "items": OBJECT}
_AUDIT = members(("agent", "events", "seen", "seen_before_start", "seen_in"), agent=TEXT, events=_EVENTS,
                 seen=_EVENTS, seen_before_start=_BOOLEAN, seen_in=or_null(TEXT))  # fmt: skip
_EPOCH = Parameter("If-Match", "The epoch that the operator saw.", TEXT, "header", required=True)
_HEALTH = members(("status",), status=TEXT)
_READY = members(("status", "store"), status=TEXT, store=TEXT)
_PLAIN_TEXT: dict[str, Schema] = {"text/plain": TEXT, "application/openmetrics-text": TEXT}

OPERATORS = (
    Operation("get", "/status", "Show the state of all agents.", "operators", "reader",
              answers_or_page("The state", StatusView),
              parameters=(Parameter("filter", "Of the page: what the names of agents hold."),
                          Parameter("trouble", "Of the page: only agents in trouble."))),
    Operation("get", "/status/{agent}", "Show the state of one agent.", "operators", "reader",
              answers_or_page("The state", StatusView),
              parameters=(Parameter("range", "Of the page: time of the curves."),)),
    Operation("get", "/status/{agent}/history", "Show an agent's calls over time.", "operators", "reader",
              answers("Points by version and arm.", HistoryView),
              parameters=(_SINCE, _UNTIL, Parameter("step", "The time from point to point, in seconds or as `5m`."))),
    Operation("get", "/status/events", "Follow a page of the status by server-sent events.", "operators", "reader",
              {200: Returns("What changes on the page; the status of an agent of that name, where no browser asks.",
                           {EVENTS: ANYTHING, JSON: StatusView})},
              parameters=(Parameter("agent", "The agent of the page."), Parameter("range", "As of the page."),
                          Parameter("filter", "As of the page."), Parameter("trouble", "As of the page."),
                          Parameter("state", "The id of the last event, as `Last-Event-ID`.")), refusals=(404,)),
    Operation("get", "/calls", "List the latest calls.", "operators", "reader",
              answers_or_page("The latest first", CallList), parameters=_SEARCH, refusals=(404,)),
    Operation("get", "/calls/{call_id}", "Show one call, by the id in its `x-serinus-call-id`.", "operators", "reader",
              answers_or_page("The call", CallView)),
    Operation("get", "/conversations", "List the latest conversations.", "operators", "reader",
              answers_or_page("The latest first", ConversationList), parameters=_SEARCH, refusals=(404,)),
    Operation("get", "/conversations/{conversation}", "Show the tree of one conversation.", "operators", "reader",
              answers_or_page("The tree", ConversationTree),
              parameters=(Parameter("content", "With the recorded texts.", _FLAG),)),
    Operation("get", "/costs", "Show what calls have cost, by day.", "operators", "reader",
              answers("The costs.", CostsView), refusals=(404,),
              parameters=(Parameter("agent", "One agent."),
                          Parameter("by", "What rows are by: any of `agent`, `version`, `key`, `model`, `day`."),
                          _SINCE, _UNTIL)),
    Operation("get", "/keys", "List the callers, when keys were last sent, and every limit.", "operators", "admin",
              answers("The callers and limits.", KeysView)),
    Operation("get", "/report/{agent}", "Make a page on a rollout that needs nothing else.", "operators", "reader",
              answers("The page as a text.", members(("agent", "html"), agent=TEXT, html=TEXT)), parameters=(_SINCE,)),
    Operation("get", "/metrics", "Read all metrics, for Prometheus.", "operators", "metrics",
              {200: Returns("The metrics.", _PLAIN_TEXT)}),
    Operation("get", "/audit/{agent}", "List audit events, newest first.", "operators", "admin",
              answers("The events.", _AUDIT),
              parameters=(Parameter("all", "The whole trail, not only the latest 100.", {"enum": ["true", "false"]}),)),
    Operation("post", "/admin/agents/{agent}/{verb}", f"Change a rollout. Verbs: {', '.join(VERBS)}.", "operators",
              "admin", {**answers("The agent's new state.", AgentView),
                        409: Returns("Nothing to do in this state.", {JSON: OBJECT}),
                        412: Returns("Somebody was faster.", {JSON: OBJECT})},
              parameters=(_EPOCH,), body={JSON: _COMMAND}),
    Operation("post", "/admin/judge/{agent}", "Have recorded calls graded by the agent's judge, page by page.",
              "operators", "admin", answers("What was graded; ask again with `next` as `before`.", JudgeBatchView),
              body={JSON: _BATCH}),
    Operation("post", "/admin/conversations/{conversation}/forget", "Delete the recorded texts of a conversation.",
              "operators", "admin", answers("The number of calls.", ForgottenView), body={JSON: _FORGET}),
    Operation("get", "/v1/escalations", "List conversations that were handed over, newest first.", "operators", "admin",
              answers("A page.", _ESCALATIONS), refusals=(404,),
              parameters=(Parameter("agent", "One agent."), Parameter("limit", "1 to 100."), _BEFORE)),
    Operation("get", "/v1/escalations/{call_id}", "Show a conversation that was handed over.", "operators", "admin",
              answers("The conversation.", ConversationView)),
    Operation("post", "/v1/escalations/{call_id}/reply", "Reply to a conversation, once; the webhook may sign instead.",
              "operators", "admin", answers("The conversation.", ConversationView), body={JSON: _REPLIED},
              refusals=(409,)),
    Operation("get", "/healthz", "Say that the process answers.", "operators", "anyone", answers("It does.", _HEALTH)),
    Operation("get", "/readyz", "Say whether calls are taken.", "operators", "anyone",
              {**answers("They are.", _READY), 503: Returns("The gateway drains.", {JSON: _READY})}),
)  # fmt: skip
