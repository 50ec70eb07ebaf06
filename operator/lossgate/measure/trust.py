"""TLS that trusts the authorities given, and no others."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry


@lru_cache(maxsize=32)
def context_of(ca_pem: str) -> ssl.SSLContext:
    """Return a context that checks certificate and host name against these certificates alone.

    An intermediate certificate may be the anchor: that is what cert-manager writes as `ca.crt`.

    Raises:
        ValueError: The text holds no certificate in PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("it holds no certificate in PEM that can be read") from error
    if not context.cert_store_stats()["x509"]:
        raise ValueError("it holds no certificate in PEM")
    return context


class PrivateTrust(HTTPAdapter):
    """Connections that trust one set of certificates: requests would add its own bundle to them."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=Retry(total=0))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let every connection use the context."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Return where to connect; what to trust is the context's business, whatever the session says."""
        host, _ = super().build_connection_pool_key_attributes(request, True, cert)
        return host, {"cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Never add the public bundle, and never take the check away."""
        conn.cert_reqs = "CERT_REQUIRED"
