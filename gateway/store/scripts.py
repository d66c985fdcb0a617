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
    def load(cls, name: str) -> "Script":
        text = (files("gateway.store") / name).read_text("utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


READ = Script.load("read.lua")
FLUSH = Script.load("flush.lua")
COMMIT = Script.load("commit.lua")
LEASE = Script.load("lease.lua")
REPLY = Script.load("reply.lua")
PROBE = Script.load("probe.lua")
REMEMBER = Script.load("remember.lua")
ESCALATE = Script.load("escalate.lua")
