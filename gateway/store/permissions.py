"""The permissions of the store's user: the commands, keys and channel that Serinus uses, and nothing else."""

import re
from typing import Final

from gateway.store import scripts
from gateway.store.key_prefix import OWN
from gateway.store.scripts import Script

# By what they are for. Tests hold these against the code that sends them, and run everything as a user who has no more.
OF_CONNECTIONS: Final = ("ping", "select", "subscribe", "unsubscribe")
OF_CLUSTERS: Final = ("cluster|slots", "command", "asking")
SENT: Final = (
    *("eval", "evalsha", "exists", "expire", "get", "set", "del", "incrby"),
    *("hget", "hgetall", "hset", "hincrby", "hdel", "hlen"),
    *("xadd", "xrange", "xrevrange", "xread", "xreadgroup", "xautoclaim", "xack", "xpending"),
    *("info", "time"),  # for the warnings of risks, and for `serinus doctor`
)
# In a script of ours; `XGROUP` is allowed for its `CREATE` alone.
_CALLED: Final = re.compile(r"(?:redis\.p?call\(|\{)'([A-Z]+)'(?:, '(CREATE)')?")


def scripted() -> frozenset[str]:
    """Return the commands that our scripts call."""
    texts = "".join(each.text for each in vars(scripts).values() if isinstance(each, Script))
    return frozenset(f"{name}|{sub}".lower() if sub else name.lower() for name, sub in _CALLED.findall(texts))


def allowed_commands() -> list[str]:
    """Return every command that is needed, as ACL rules name them."""
    return sorted({*OF_CONNECTIONS, *OF_CLUSTERS, *SENT, *scripted()})


def acl_line(prefix: str = OWN, user: str = "serinus") -> str:
    """The command for `redis-cli` that makes such a user; the password is still to be filled in."""
    allowed = " ".join(f"+{command}" for command in allowed_commands())
    return f"ACL SETUSER {user} reset on >PASSWORD ~{prefix}:* resetchannels &{prefix}:* {allowed}"
