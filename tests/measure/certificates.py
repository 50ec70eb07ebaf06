"""A private authority and what it signs, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2")


class Authority:
    """An authority with one certificate for a server."""

    def __init__(self, folder: Path, name: str = "ca", host: str = "IP:127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ca, ca_key = folder / "ca.crt", folder / "ca.key"
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        request = folder / "tls.csr"
        extensions = folder / "tls.ext"
        extensions.write_text(f"subjectAltName = {host}\n")
        _openssl("req", "-x509", *_EC, "-subj", f"/CN={name}", "-keyout", ca_key, "-out", ca)
        _openssl("req", *_EC, "-subj", "/CN=prometheus", "-keyout", self.key, "-out", request)
        signing = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, *signing, "-out", self.certificate)
        self.pem = ca.read_text()

    def serving(self) -> ssl.SSLContext:
        """Return what a server with the certificate needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
