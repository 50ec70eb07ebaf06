"""How each ModelRollout is let in at its Prometheus: with what it brings, or with what the operator was given."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lossgate.api.prometheus import CARef, Prometheus, SecretRef
from lossgate.api.spec import RolloutSpec
from lossgate.controller.kube import KubeError
from lossgate.controller.own_access import OwnAccess, certificates, line
from lossgate.controller.references import Reference, References
from lossgate.controller.settings import Settings
from lossgate.measure.access import Access
from lossgate.measure.errors import AccessDenied, NoAccess

_Answer = TypeVar("_Answer")

_SECRET_KEYS = ("token", "username", "password")


class Accesses:
    """Finds the access of a question, and never falls back to asking with less than was asked for.

    Whatever a ModelRollout sets of `url`, `headers`, `secretRef` and `caRef`, it sets all: nothing of the operator's
    own credentials and headers is sent then. The operator's are decided by the absence of these fields, never by
    comparing addresses, so that no spelling of an address gets them.
    """

    def __init__(
        self, settings: Settings, references: References, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._references = references
        self._own = OwnAccess(settings)
        self._monotonic = monotonic

    async def ask(
        self,
        namespace: str,
        spec: RolloutSpec,
        question: Callable[[Access], Awaitable[_Answer]],
        *,
        generated: bool,
    ) -> _Answer:
        """Return the answer to a question; refused credentials are read again, and tried once more if they changed.

        Raises:
            MeasurementError: No access, or no answer that can be trusted.
        """
        asked_at = self._monotonic()
        access = await self.access_for(namespace, spec, generated=generated)
        try:
            return await question(access)
        except AccessDenied:
            renewed = await self.access_for(namespace, spec, generated=generated, newer_than=asked_at)
            if renewed == access:
                raise
        return await question(renewed)

    async def access_for(
        self, namespace: str, spec: RolloutSpec, *, generated: bool, newer_than: float = float("-inf")
    ) -> Access:
        """Return how a query of a ModelRollout is let in.

        Args:
            namespace: The namespace of the ModelRollout, whose Secrets it may name.
            spec: What it says.
            generated: Whether the operator wrote the query, so that it names the namespace. Queries that users wrote
                go with the ModelRollout's own credentials or none, at the operator's Prometheus too.
            newer_than: Credentials that were read before this moment (monotonic) are read again.

        Raises:
            NoAccess: The address is not allowed, or what the spec or the operator's settings name cannot be
                had; the message says what to do.
        """
        prometheus = spec.loss.prometheus
        if generated and not prometheus.brings_its_own:
            return self._own.access()
        url = self._url(prometheus)
        credentials, ca_pem = {}, None
        _check_encrypted(prometheus, url)
        if prometheus.secret_ref is not None:
            credentials = await self._credentials(namespace, prometheus.secret_ref, url, newer_than)
        if prometheus.ca_ref is not None:
            ca_pem = await self._ca(namespace, prometheus.ca_ref, url, newer_than)
        elif prometheus.url is None:
            ca_pem = self._own.ca_pem()  # Whom to trust there is no secret.
        try:
            return Access(url, tuple(sorted(prometheus.headers.items())), **credentials, ca_pem=ca_pem)
        except ValueError as error:
            what = f"what loss.prometheus names cannot be sent: {error}"
            named = f"Secret {namespace}/{prometheus.secret_ref.name}" if prometheus.secret_ref else "the headers"
            raise NoAccess(what, url, f"correct {named}") from error

    def _url(self, prometheus: Prometheus) -> str:
        url = self._settings.prometheus_url if prometheus.url is None else prometheus.url.rstrip("/")
        if url is None or (prometheus.url is not None and not self._settings.allows(prometheus.url)):
            raise NoAccess("no Prometheus that may be asked", url, "see the condition Stalled")
        return url

    async def _credentials(self, namespace: str, ref: SecretRef, url: str, newer_than: float) -> dict[str, str | None]:
        values = await self._read(Reference("Secret", namespace, ref.name, _SECRET_KEYS), url, newer_than)
        named = f"Secret {namespace}/{ref.name}"
        remedy = "write the key token, or username and password, into it"
        has_token = "token" in values
        pair = [key for key in ("username", "password") if key in values]
        if has_token and pair:
            raise NoAccess(f"{named} has both token and {pair[0]}", url, "leave one of them in it")
        if not has_token and len(pair) != 2:
            has = f"has {pair[0]} alone" if pair else "has neither token nor username and password"
            raise NoAccess(f"{named} {has}", url, remedy)
        try:
            return {key: line(value, f"{named}, key {key},") for key, value in values.items()}
        except ValueError as error:
            raise NoAccess(str(error), url, remedy) from error

    async def _ca(self, namespace: str, ref: CARef, url: str, newer_than: float) -> str:
        reference = Reference(ref.kind.value, namespace, ref.name, (ref.key,))
        values = await self._read(reference, url, newer_than)
        named = f"{ref.kind.value} {namespace}/{ref.name}"
        remedy = "write certificates in PEM into it, or change loss.prometheus.caRef"
        if ref.key not in values:
            raise NoAccess(f"{named} has no key {ref.key}", url, remedy)
        try:
            return certificates(values[ref.key], f"{named}, key {ref.key},")
        except ValueError as error:
            raise NoAccess(str(error), url, remedy) from error

    async def _read(self, reference: Reference, url: str, newer_than: float) -> dict[str, bytes]:
        named = f"{reference.kind} {reference.namespace}/{reference.name}"
        try:
            return dict(await self._references.read(reference, newer_than))
        except KubeError as error:
            raise NoAccess(f"{named} cannot be read: {error.message}", url, _remedy(reference, error)) from error
        except ValueError as error:
            raise NoAccess(f"{named} cannot be read: {error}", url, "write it anew") from error


def _check_encrypted(prometheus: Prometheus, url: str) -> None:
    """The API server checks the address that a ModelRollout writes; that of the operator is known here alone."""
    if url.startswith("https://"):
        return
    if prometheus.ca_ref is not None:
        what = "loss.prometheus.caRef is set and the address is not https://, so there is no certificate to check"
        raise NoAccess(what, url, "remove it, or write an https:// URL")
    if prometheus.secret_ref is not None and not prometheus.secret_ref.allow_http:
        what = "credentials would be sent over http://, where everyone on the way can read them"
        raise NoAccess(what, url, "use an https:// address, or set loss.prometheus.secretRef.allowHTTP")


def _remedy(reference: Reference, error: KubeError) -> str:
    resource = f"{reference.kind.lower()}s"
    if error.status == 403:
        return (
            f"the operator's ServiceAccount lacks the right to get {resource}: bind a Role in namespace "
            f"{reference.namespace} to it (verb get, resource {resource}, resourceNames {reference.name}), or set the "
            "chart value rbac.readSecrets for all namespaces"
        )
    if error.status == 404:
        return "create it, or change the name in loss.prometheus; it is looked for at every look"
    return "the next look asks again"
