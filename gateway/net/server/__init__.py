"""The listening side: sockets, HTTP framing, limits and deadlines, and who is still there.

A *connection* carries *exchanges*, one request with its answer each, answered in order. A request that breaks a limit
or the framing rules gets a *refusal*, a JSON error and the end of the connection, and never reaches the application.
A *departure* tells the application that a client left before its answer was complete. To *linger* is to throw away
what a refused client still sends, so that it can read the refusal. To *drain* is to let open exchanges finish while no
new connection is taken.
"""

from gateway.net.server.disconnect import EXTENSION, Departure
from gateway.net.server.limits import ServerLimits
from gateway.net.server.protocol import BoundedProtocol
from gateway.net.server.serving import Server
from gateway.net.server.sharing import CELL_BYTES, ConnectionCounts
from gateway.net.server.sockets import bind
from gateway.net.server.traffic import Traffic

__all__ = [
    "CELL_BYTES",
    "EXTENSION",
    "BoundedProtocol",
    "ConnectionCounts",
    "Departure",
    "Server",
    "ServerLimits",
    "Traffic",
    "bind",
]
