"""Background waits of a gateway: one value, handed to each part when it is built.

The defaults suit every deployment; what an operator may want to change stands in `gateway.yaml`. Tests hand in shorter
times. All are seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Intervals, time limits and graces."""

    # The loop between calls and the store.
    flush: float = 0.1  # between two flushes of an agent's counts
    poll: float = 0.9  # between two looks at the records, on average: a fifth more is well within 1.5 s
    lease: float = 4.0  # some looks long, so that one slow look loses it to nobody; a dead holder is replaced after it
    last_flush: float = 5.0  # for the counts at the stop, where the store is away: it may be back within that
    restart: float = 1.0  # before background work that met a bug begins again

    # What people are told, and what they reply.
    delivery: float = 10.0  # for one delivery to a webhook, from the request to the answer
    notices: float = 1.0  # between two looks for notices
    notice_claim: float = 60.0  # longer than a delivery to every receiver takes; then another replica may try
    escalation_store: float = 1.0  # until the store is told again of a conversation that it did not take
    escalation_webhook: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # then the store alone has it
    escalation_held: float = 20.0  # a delivery, by the replica that makes it; then it is dead, and another may
    escalation_look: float = 5.0  # between two looks for deliveries that nobody holds
    escalation_finish: float = 5.0  # for all that is still queued at the stop
    replies: float = 1.0  # between two looks for people's replies

    key_uses: float = 30.0  # between two notes of which keys are in use

    # People who review calls.
    review_lease: float = 600.0  # for which a call is before one person alone
    review_undo: float = 60.0  # in which a mark may be taken back; then it counts
    review_skip: float = 300.0  # for which nobody gets a call that somebody has skipped
    review_look: float = 60.0  # between two looks for marks that another replica has left

    # The judge of live calls.
    judge_answer: float = 60.0  # for one reply of its model
    judge_rests: tuple[float, ...] = (5.0, 15.0, 60.0, 300.0)  # without a question, after so many failures in a row
    judge_pause: float = 60.0  # before money is asked for again: a reservation may have become free

    # Spans for OpenTelemetry.
    span_retry: float = 1.0  # before the second try of a batch; each further wait is twice as long
    span_finish: float = 5.0  # for all that is still queued at the stop
    tool_exchange: float = 0.25  # between two times that replicas tell each other of tools
    tool_wait: float = 2.0  # before a result is looked up that another replica's answer may have asked for

    # The retirement of models.
    retirement_look: float = 60.0  # between two looks at the dates of the models in use
    retirement_tell: float = 3600.0  # before a receiver that did not take a notice is told again
    first_model_list: float = 60.0  # from the start to the first question for a provider's list of models
    model_lists: float = 24 * 3600.0  # between two such questions
    model_list: float = 15.0  # for one answer

    # The store, and the embedded server.
    quiet: float = 5.0  # after so much silence of the announcements a ping asks whether the server is still there
    server_version: float = 10.0  # for a server program to name its version
    server_ready: float = 60.0  # a gigabyte of append-only file loads in some ten seconds
    server_end: float = 5.0  # for a server that was told to stop to write what it has


USUAL = Timings()
