"""`spec.loss.prometheus`: which Prometheus is asked, and what lets the question in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from lossgate.api.part import Part
from lossgate.api.rules import (
    HEADER_NAME_PATTERN,
    HEADER_VALUE_PATTERN,
    OBJECT_KEY_PATTERN,
    OBJECT_NAME_PATTERN,
    PROMETHEUS_URL_PATTERN,
    rule,
    rules,
    says,
)

FORBIDDEN_HEADERS = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
"""Headers with credentials, which all who may read the ModelRollout would read, and those that HTTP itself needs."""

ObjectName = Annotated[
    str,
    Field(
        max_length=253,
        pattern=OBJECT_NAME_PATTERN,
        json_schema_extra=says("write the name of an object: lower case letters, digits, - and ."),
    ),
]
HeaderValue = Annotated[
    str,
    Field(
        max_length=512,
        pattern=HEADER_VALUE_PATTERN,
        json_schema_extra=says(
            "write a value of printable ASCII characters on one line, not empty, without spaces at its ends"
        ),
    ),
]


class SecretRef(Part):
    """A Secret of the rollout's namespace that holds credentials."""

    name: ObjectName = Field(description="Name of the Secret.")
    allow_http: bool = Field(
        default=False,
        alias="allowHTTP",
        description="Send the credentials over http:// too, where everyone on the way can read them. For networks that "
        "encrypt by themselves, such as a service mesh.",
    )


class CAKind(StrEnum):
    """Kinds of objects that can hold certificates."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"


class CARef(Part):
    """A ConfigMap or Secret of the rollout's namespace that holds certificates of authorities."""

    kind: CAKind = Field(description="Kind of the object.")
    name: ObjectName = Field(description="Name of the object.")
    key: Annotated[
        str,
        Field(
            max_length=253,
            pattern=OBJECT_KEY_PATTERN,
            json_schema_extra=says("write a key of the object: letters, digits, -, _ and ."),
        ),
    ] = Field(default="ca.crt", description="Key under which the certificates are, in PEM.")


_ENCRYPTED = "!has(self.url) || self.url.startsWith('https://')"


class Prometheus(Part):
    """The Prometheus that holds the loss counters."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!has(self.secretRef) || {_ENCRYPTED} || (has(self.secretRef.allowHTTP) && self.secretRef.allowHTTP)",
                "write an https:// URL, or set secretRef.allowHTTP: over http:// everyone on the way can read the "
                "credentials",
                ".url",
                judges=("url", "secretRef"),
            ),
            rule(
                f"!has(self.caRef) || {_ENCRYPTED}",
                "write an https:// URL, or remove caRef: there is no certificate to check over http://",
                ".url",
                judges=("url", "caRef"),
            ),
        )
    )

    url: str | None = Field(
        default=None,
        max_length=512,
        pattern=PROMETHEUS_URL_PATTERN,
        description="Base URL. By default the operator's own Prometheus; any other must be on the operator's list of "
        "allowed URLs.",
        json_schema_extra=says(
            "write the base URL of a Prometheus without user name, query or fragment, such as "
            '"http://prometheus.monitoring:9090"'
        ),
    )
    headers: Mapping[str, HeaderValue] = Field(
        default_factory=dict,
        repr=False,
        max_length=16,
        description="Headers of every query, such as X-Scope-OrgID for a tenant. No credentials: everyone who may read "
        "this object reads them.",
        json_schema_extra=rules(
            rule(
                f"self.all(name, name.size() <= 128 && name.matches(r'{HEADER_NAME_PATTERN}'))",
                "write names of headers: letters, digits, -, _ and ., at most 128 characters",
            ),
            rule(
                f"!self.exists(name, name.lowerAscii() in {list(FORBIDDEN_HEADERS)})",
                "remove the header: credentials belong in a Secret that secretRef names, and the operator sets "
                "Accept, Host, Content-Type and those of the connection itself",
            ),
            rule(
                "self.all(name, self.exists_one(other, other.lowerAscii() == name.lowerAscii()))",
                "write each header once: upper and lower case are the same",
            ),
        ),
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        alias="secretRef",
        description="Secret of this namespace with the key token (a bearer token), or with username and password. The "
        "operator needs the right to get it. With url, headers, secretRef or caRef set, none of the operator's own "
        "credentials and headers are sent.",
    )
    ca_ref: CARef | None = Field(
        default=None,
        alias="caRef",
        description="Where the certificates are that the server's own must lead to; no other authority is trusted "
        "then. By default the public ones, and for the operator's own Prometheus those that it was given.",
    )

    @property
    def brings_its_own(self) -> bool:
        """Whether the rollout says how to be let in, or where, so that nothing of the operator's may be sent."""
        return self.url is not None or bool(self.headers) or self.secret_ref is not None or self.ca_ref is not None
