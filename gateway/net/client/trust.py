"""TLS trust: one context for every transport, always verifying."""

import ssl

from gateway.net.client.options import TransportOptions


def tls_context(options: TransportOptions) -> ssl.SSLContext:
    """A verifying client context: the system's authorities, and those in `ca_file` (PEM) besides.

    Raises OSError when a file cannot be read or holds no certificate or key.
    """
    context = ssl.create_default_context()
    if options.ca_file is not None:
        context.load_verify_locations(cafile=options.ca_file)
    if options.client_certificate is not None:
        context.load_cert_chain(options.client_certificate, options.client_key)
    return context
