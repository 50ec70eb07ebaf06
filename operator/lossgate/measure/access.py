"""What lets a question in at a metric source: where it goes, and what is sent with it."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from lossgate.api.prometheus import FORBIDDEN_HEADERS
from lossgate.api.rules import HEADER_NAME_PATTERN, HEADER_VALUE_PATTERN
from lossgate.measure.errors import public_url

_TOKEN = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """An address, with the headers and credentials for it and the authority to trust there.

    Equal where all of it is equal, so that rollouts with the same access share queries and connections. No text made
    of it holds a secret. `ca_pem` None trusts the public authorities, else these certificates and no others.

    Raises:
        ValueError: Something that cannot be sent as it is; the message says what, and never holds a secret.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    username: str | None = field(default=None, kw_only=True)
    password: str | None = field(default=None, kw_only=True)
    token: str | None = field(default=None, kw_only=True)
    ca_pem: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.token is not None and (self.username is not None or self.password is not None):
            raise ValueError("both a token and a user name or password are given: leave one of them")
        if (self.username is None) != (self.password is None):
            raise ValueError("a user name and a password belong together: give both, or a token")
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ValueError(
                "the token is empty, or holds spaces, line breaks or other characters that no token has: "
                "write it without the word Bearer"
            )
        if self.username is not None and (not self.username or ":" in self.username or _CONTROL.search(self.username)):
            raise ValueError("the user name is empty, or holds a colon or a control character")
        if self.password is not None and (not self.password or _CONTROL.search(self.password)):
            raise ValueError("the password is empty, or holds a line break or another control character")
        for name, value in self.headers:
            if not re.fullmatch(HEADER_NAME_PATTERN, name) or name.lower() in FORBIDDEN_HEADERS:
                raise ValueError(f"{name!r} is no header, or none that may be set")
            if not re.fullmatch(HEADER_VALUE_PATTERN, value):
                raise ValueError(f"the value of the header {name} is empty, or not printable ASCII on one line")

    def __repr__(self) -> str:
        return f"Access({public_url(self.url)!r})"

    def authorization(self) -> str | None:
        """Return the value of the header Authorization, if there are credentials."""
        if self.token is not None:
            return f"Bearer {self.token}"
        if self.username is not None:
            return f"Basic {self._basic()}"
        return None

    def without_secrets(self, text: str) -> str:
        """Return a text of somebody else's with every credential in it blotted out; some servers echo what they got."""
        plain = [secret for secret in (self.token, self.password) if secret]
        forms = {form for secret in plain for form in _written_forms(secret)}
        if self.password is not None:
            forms.add(self._basic())
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, _HIDDEN)
        return text

    def _basic(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def _written_forms(secret: str) -> tuple[str, ...]:
    """The text as JSON, HTML and addresses have it."""
    return (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    )
