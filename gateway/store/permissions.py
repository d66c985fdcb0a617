"""The permissions of the store's user: the commands, keys and channel that Serinus uses, and nothing else."""

from typing import Final

# By what they are for; a test holds them against the scripts, and runs every operation as a user who has only these.
COMMANDS: Final[tuple[tuple[str, ...], ...]] = (
    ("ping", "select", "time", "exists", "eval", "evalsha"),
    ("cluster|slots", "command", "asking"),  # for redis+cluster:// alone
    ("get", "set", "del", "rename", "expire", "incrby", "decrby"),
    ("hget", "hgetall", "hset", "hsetnx", "hincrby", "hdel", "hlen"),
    ("sadd", "scard"),
    (
        "xadd",
        "xlen",
        "xdel",
        "xrange",
        "xrevrange",
        "xread",
        "xgroup|create",
        "xreadgroup",
        "xautoclaim",
        "xack",
        "xpending",
    ),
    ("subscribe", "unsubscribe", "publish"),
)
KEYS: Final = "serinus:*"


def acl_line(user: str = "serinus") -> str:
    """The command for `redis-cli` that makes such a user; the password is still to be filled in."""
    allowed = " ".join(f"+{command}" for group in COMMANDS for command in group)
    return f"ACL SETUSER {user} reset on >PASSWORD ~{KEYS} &{KEYS} {allowed}"
