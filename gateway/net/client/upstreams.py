"""The transports of all providers: who shares one, and how all are closed."""

from collections.abc import Callable, Mapping

from gateway.net.client import Transport
from gateway.net.client.lean import LeanTransport
from gateway.net.client.options import TransportOptions


def transport(options: TransportOptions) -> Transport:
    """A transport of the kind that the options name. httpx2 is loaded where it is wanted: it takes 3 MB."""
    if options.kind == "lean":
        return LeanTransport(options)
    from gateway.net.client.standard import StandardTransport

    return StandardTransport(options)


class Upstreams:
    """Transports, one for each distinct set of options: providers with equal options share it, and its connections."""

    def __init__(
        self,
        options: Mapping[str, TransportOptions],
        make: Callable[[TransportOptions], Transport] = transport,
    ) -> None:
        """`options` by provider name; `make` makes a transport. Raises OSError for a CA file that cannot be read,
        ValueError for HTTP/2 without its package."""
        made = {each: make(each) for each in dict.fromkeys(options.values())}
        self._of = {name: made[each] for name, each in options.items()}

    def of(self, provider: str) -> Transport:
        """The transport of that provider. Raises KeyError for one that was not configured."""
        return self._of[provider]

    async def aclose(self) -> None:
        """Close every connection of every provider. Answers still being read end as truncated."""
        for each in dict.fromkeys(self._of.values()):
            await each.aclose()
