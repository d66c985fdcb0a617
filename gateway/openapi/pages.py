"""The operations of the pages for people: their forms, the reviews, their files, and this reference."""

from gateway.openapi.operation import (
    FORM,
    HTML,
    JSON,
    OBJECT,
    TEXT,
    Json,
    Operation,
    Parameter,
    Returns,
    answers_or_page,
    members,
)
from gateway.openapi.operation import answers as answers_with
from gateway.review.view import LABELS, AgentReviewsView, LabelList, OpenReviewView, WaitingList

_AFTER = Parameter("after", "Of the page: the lease before this one.")
_CHOICE: Json = {"enum": list(LABELS)}
_ACT = members(("verb", "reason", "actor", "epoch", "sure"), verb=TEXT, reason=TEXT, actor=TEXT, epoch=TEXT, sure=TEXT)
_LABELLED: Json = {"type": "object", "properties": {
    "label-0": _CHOICE, "label-1": _CHOICE, "comment-0": TEXT, "comment-1": TEXT, "do": {"enum": ["skip", "undo"]},
    "kind": TEXT,
}}  # fmt: skip
_OPENED = {200: Returns("What the reviewer has before them.", {JSON: OpenReviewView, HTML: TEXT}),
           303: Returns("Where a browser goes on.", {})}  # fmt: skip

PAGES = (
    Operation("post", "/status/{agent}/act", "Carry out what a form of the agent's page asks for.", "pages", "form",
              {200: Returns("What was done.", {JSON: OBJECT, HTML: TEXT}), 303: Returns("The page again.", {})},
              body={FORM: _ACT}, refusals=(409, 412)),
    Operation("get", "/review", "List the agents whose answers wait for people.", "reviewers", "reader",
              answers_or_page("The agents", WaitingList)),
    Operation("get", "/review/{agent}", "Show what waits of an agent.", "reviewers", "reader",
              answers_or_page("The numbers", AgentReviewsView),
              parameters=(_AFTER, Parameter("none", "Of the page: there was no pair."))),
    Operation("post", "/review/{agent}", "Take the next answer, or a pair of two.", "reviewers", "form", _OPENED,
              body={FORM: members((), kind={"enum": ["single", "pair"]})}),
    Operation("get", "/review/{agent}/labels", "List what people said, the earliest first.", "reviewers", "reader",
              answers_with("A page of labels.", LabelList),
              parameters=(Parameter("since", "A time ago, such as `1h` or `30d`, or by RFC 3339."),
                          Parameter("label", "One label.", _CHOICE), Parameter("content", "`true`: with the texts."),
                          Parameter("after", "The `next` of the page before."))),
    Operation("get", "/review/{agent}/{lease}", "Show what the lease stands for.", "reviewers", "reader",
              answers_or_page("The answers", OpenReviewView), parameters=(_AFTER,)),
    Operation("post", "/review/{agent}/{lease}", "Label the answers, skip them, or take the labels back.", "reviewers",
              "form", _OPENED, body={FORM: _LABELLED}, refusals=(409,)),
    *(
        Operation("get", f"/{name}", f"The pages' {what}.", "pages", "anyone", {200: Returns("A file.", {kind: TEXT})})
        for name, what, kind in (("status.css", "stylesheet", "text/css"), ("status.js", "script", "text/javascript"),
                                 ("review.js", "script for reviews", "text/javascript"))
    ),
    Operation("get", "/status-{state}.svg", "The icon of a state.", "pages", "anyone",
              {200: Returns("The icon.", {"image/svg+xml": TEXT})}),
    Operation("get", "/openapi.json", "This document.", "pages", "reader", answers_with("OpenAPI 3.1.", OBJECT)),
    Operation("get", "/docs", "This document as a page.", "pages", "reader", {200: Returns("A page.", {HTML: TEXT})}),
)  # fmt: skip
