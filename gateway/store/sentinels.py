"""Sentinels that say why they name no primary: redis-py's own words leave out the reason."""

from typing import Any

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import TimeoutError as SocketTimeout

from gateway.store.faults import words_of


class Sentinels(Sentinel):
    """The sentinels of a URL. The one that answered last is asked first."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return host and port of the primary. Raises MasterNotFoundError, a connection error, with all reasons."""
        reasons: list[str] = []
        for number, sentinel in enumerate(self.sentinels):
            where = sentinel.connection_pool.connection_kwargs
            try:
                known: Any = await sentinel.sentinel_masters()
            except (ConnectionFailed, SocketTimeout) as error:
                reasons.append(words_of(error))
                continue
            state = known.get(service_name)
            if state and self.check_master_state(state, service_name):
                self.sentinels[0], self.sentinels[number] = sentinel, self.sentinels[0]
                return str(state["ip"]), int(state["port"])
            reasons.append(f"{where['host']}:{where['port']} knows {'it to be down' if state else 'no such service'}")
        raise MasterNotFoundError(f"no sentinel names a primary of {service_name!r}: {'; '.join(reasons)}")
