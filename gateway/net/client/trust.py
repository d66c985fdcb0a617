"""TLS trust: one context for every transport, always verifying."""

import ssl


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """A verifying client context: the system's authorities, and those in `ca_file` (PEM) besides.

    Raises OSError when the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
