"""The operator's own access to its default Prometheus: files that are read whenever they are needed."""

from __future__ import annotations

import logging
from pathlib import Path

from lossgate.controller.settings import Settings
from lossgate.measure.access import Access
from lossgate.measure.errors import NoAccess
from lossgate.measure.trust import context_of

MAX_FILE_BYTES = 1024 * 1024

_log = logging.getLogger(__name__)


class OwnAccess:
    """Reads the files anew each time: projected tokens change hourly, and a mounted file costs less than a look."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        if settings.has_credentials and (settings.prometheus_url or "").startswith("http://"):
            _log.warning("The operator's credentials go to %s, readable on the way: use https://", self._url())

    def access(self) -> Access:
        """Return how queries that the operator wrote are let in at its default Prometheus.

        Raises:
            NoAccess: There is no default, or a file that must hold something does not.
        """
        settings = self._settings
        if settings.prometheus_url is None:
            raise NoAccess("no Prometheus is known", None, "set spec.loss.prometheus.url or the chart's prometheus.url")
        ca_pem = self.ca_pem()
        token, username, password = (
            self._line(path)
            for path in (
                settings.prometheus_token_file,
                settings.prometheus_username_file,
                settings.prometheus_password_file,
            )
        )
        try:
            return Access(
                settings.prometheus_url,
                settings.prometheus_headers,
                token=token,
                username=username,
                password=password,
                ca_pem=ca_pem,
            )
        except ValueError as error:
            raise self._unusable(f"the operator's credentials cannot be sent: {error}") from error

    def ca_pem(self) -> str | None:
        """Return the certificates that are trusted at the default Prometheus, None for the public authorities.

        Raises:
            NoAccess: There is a file for them, and it holds none.
        """
        path = self._settings.prometheus_ca_file
        if path is None:
            return None
        try:
            return certificates(self._read(path), f"the operator's file {path}")
        except ValueError as error:
            raise self._unusable(str(error)) from error

    def _line(self, path: str | None) -> str | None:
        if path is None:
            return None
        try:
            return line(self._read(path), f"the operator's file {path}")
        except ValueError as error:
            raise self._unusable(str(error)) from error

    def _read(self, path: str) -> bytes:
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise self._unusable(f"the operator's file {path} cannot be read: {error.strerror}") from error
        if len(content) > MAX_FILE_BYTES:
            raise self._unusable(f"the operator's file {path} is larger than {MAX_FILE_BYTES} bytes")
        return content

    def _unusable(self, what: str) -> NoAccess:
        return NoAccess(what, self._settings.prometheus_url, "see what is mounted into the operator's pod")

    def _url(self) -> str:
        return self._settings.prometheus_url or "no address"


def line(content: bytes, named: str) -> str:
    """Return the one line that a Secret's key or a file holds, without the line break that editors and `echo` add.

    Raises:
        ValueError: It is empty or no text; the message has the name and nothing of the content.
    """
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{named} is no text in UTF-8") from None
    if not text:
        raise ValueError(f"{named} is empty")
    return text


def certificates(content: bytes, named: str) -> str:
    """Return certificates in PEM.

    Raises:
        ValueError: There are none; the message has the name and nothing of the content.
    """
    pem = line(content, named)
    try:
        context_of(pem)
    except ValueError as error:
        raise ValueError(f"{named} is no authority to trust: {error}") from None
    return pem
