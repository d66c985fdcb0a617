"""Certificates of a test's own: one that no authority has signed, and an authority that signs others."""

import ssl
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def self_signed(folder: Path) -> Path:
    """Make a certificate for localhost in that folder, and its key beside it (`key.pem`)."""
    _openssl(
        "req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
    )  # fmt: skip
    return folder / "cert.pem"


class Authority:
    """An authority in a folder. `path` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "ca.pem"
        _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=authority", "-keyout", folder / "ca.key",
                 "-out", self.path)  # fmt: skip

    def sign(self, name: str, names: str = "IP:127.0.0.1,DNS:localhost", days: int = 2) -> Path:
        """Make `name.pem`, with its key in `name.key`; `days` below zero is a certificate that has expired."""
        key, request, extensions = (self._folder / f"{name}.{end}" for end in ("key", "csr", "ext"))
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        extensions.write_text(f"subjectAltName={names}\n")
        made = self._folder / f"{name}.pem"
        _openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self._folder / "ca.key",
                 "-days", str(days), "-extfile", extensions, "-out", made)  # fmt: skip
        return made

    def server_context(self, certificate: Path, *, asks_clients: bool = False) -> ssl.SSLContext:
        """Return the context of a server; `asks_clients` for certificates of this authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.path)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        context.verify_mode = ssl.CERT_REQUIRED if asks_clients else ssl.CERT_NONE
        return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
