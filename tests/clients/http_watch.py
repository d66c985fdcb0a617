"""Measures where a program meets the network: from the last bytes of an answer to the beginning of the next request."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2


class Watch:
    """Notes when requests begin and when the last bytes of answers come, whichever HTTP client reads them."""

    def __init__(self) -> None:
        self.came = 0.0
        self.tools: list[float] = []
        for library in (httpx, httpx2):
            send = self.watching(library, library.HTTPTransport.handle_request)
            library.HTTPTransport.handle_request = send

    def begin(self) -> None:
        """Forget what was before."""
        self.came, self.tools = 0.0, []

    def watching(self, library: Any, send: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        class Noting(library.SyncByteStream):  # type: ignore[misc]  # of either library
            def __init__(self, stream: Any) -> None:
                self.stream = stream

            def __iter__(self) -> Iterator[bytes]:
                for chunk in self.stream:
                    watch.came = time.perf_counter()
                    yield chunk

            def close(self) -> None:
                self.stream.close()

        def handle(transport: Any, request: Any) -> Any:
            if watch.came:
                watch.tools.append(time.perf_counter() - watch.came)
            response = send(transport, request)
            response.stream = Noting(response.stream)
            return response

        return handle


def round_trip(client: httpx.Client, root: str) -> float:
    """Return the seconds of a bare round trip: a busy machine lets both sides wait for their turn."""
    began = time.perf_counter()
    client.get(f"{root}/healthz").raise_for_status()
    return time.perf_counter() - began
