"""The address that a gateway listens on, taken before anything is committed, and refused in words."""

import errno
import os
import socket
from ipaddress import ip_address

from gateway.config.fields import Address
from gateway.errors import GatewayError
from gateway.net.server import bind


def local_url(host: str, port: int) -> str:
    """Return the URL at which a program on this machine reaches what listens there."""
    try:
        address = ip_address(host)
    except ValueError:
        return f"http://{Address(host, port)}"
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://{Address(host, port)}"


def take_address(listen: Address) -> socket.socket:
    """Return a listening socket there. Raises GatewayError, which says what to do."""
    try:
        return bind(listen.host, listen.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = "end the program that listens there, or set `listen` or SERINUS_LISTEN to another port"
            raise GatewayError(f"the address {listen} is in use: {hint}") from error
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise GatewayError(f"cannot listen on {listen}: {why}; check `listen` and SERINUS_LISTEN") from error
