"""A certificate that no authority has signed."""

import subprocess
from pathlib import Path


def self_signed(folder: Path) -> Path:
    """Make a certificate for localhost in that folder, and its key beside it (`key.pem`)."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"
