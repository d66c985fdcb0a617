"""The Lua scripts, each from a file of its own, which lists its keys and arguments."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the SHA-1 that Redis knows it by."""

    text: str
    sha: str

    @classmethod
    def load(cls, *names: str) -> "Script":
        """Return the script of these files, put together in their order."""
        text = "".join((files("gateway.store") / name).read_text("utf-8") for name in names)
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


READ = Script.load("read.lua")
FLUSH = Script.load("permitted.lua", "history.lua", "costs.lua", "failures.lua", "turns.lua", "flush.lua")
RECENT = Script.load("recent.lua")
INTERVALS = Script.load("intervals.lua")
DAYS = Script.load("days.lua")
EVIDENCE = Script.load("evidence.lua")
COMMIT = Script.load("permitted.lua", "commit.lua")
ALERTS = Script.load("alerts.lua")
GRANT = Script.load("limits.lua")
LEASE = Script.load("lease.lua")
REPLY = Script.load("reply.lua")
PROBE = Script.load("probe.lua")
REMEMBER = Script.load("remember.lua")
ESCALATE = Script.load("escalate.lua")
DELIVERIES = Script.load("deliveries.lua")
KEEP_CALLS = Script.load("keep_calls.lua")
KEEP_CONTENTS = Script.load("keep_contents.lua")
KEEP_VERDICT = Script.load("keep_verdict.lua")
RESERVE = Script.load("reserve.lua")
REVIEWS = Script.load("reviews.lua")
