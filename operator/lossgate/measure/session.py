"""An HTTP session that hands on an answer only when it is complete and really a Prometheus's."""

from __future__ import annotations

import io
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from lossgate.measure import envelope
from lossgate.measure.access import Access
from lossgate.measure.envelope import Shape
from lossgate.measure.errors import EvidenceIncomplete, Question, SamplesStale, SourceUnavailable
from lossgate.measure.trust import PrivateTrust, context_of

_CHUNK_BYTES = 64 * 1024


def open_session(
    access: Access, timeout_seconds: float, question: Question, shape: Shape = envelope.MANY_SERIES
) -> CheckedSession:
    """Return a session for one access.

    Raises:
        SourceUnavailable: The certificates to trust cannot be used.
    """
    try:
        return CheckedSession(access, timeout_seconds, shape)
    except ValueError as error:
        what = f"the certificates to trust cannot be used: {error}"
        raise SourceUnavailable(what, question, "write certificates in PEM") from error


class CheckedSession(requests.Session):
    """Sends a query once and raises a `MeasurementError` for everything but a trustworthy answer.

    prometheus-api-client reads only the series out of an answer; warnings, the type of the result and pages that are
    no JSON have to be seen before. Parameters travel in the body, since a query for many versions is longer than the
    addresses that proxies accept. Redirects are not followed: they lead to login pages, and lose the body. Nothing is
    taken from the environment, so that no stray .netrc adds credentials: a session sends those of one access.
    """

    def __init__(self, access: Access, timeout_seconds: float, shape: Shape = envelope.MANY_SERIES) -> None:
        super().__init__()
        self._shape = shape
        once = Retry(total=0)
        self._adapter = (
            PrivateTrust(context_of(access.ca_pem)) if access.ca_pem is not None else HTTPAdapter(max_retries=once)
        )
        self.trust_env = False
        self._access = access
        self.headers.update(access.headers)
        authorization = access.authorization()
        if authorization is not None:
            self.headers["Authorization"] = authorization
        self._timeout_seconds = timeout_seconds

    def get_adapter(self, url: str | bytes) -> HTTPAdapter:
        """Return the one adapter there is: prometheus-api-client mounts another, which trusts what it likes."""
        return self._adapter

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()
        super().close()

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the checked answer; its body is in memory and the connection is free again.

        Raises:
            AccessDenied: The credentials are missing or not the right ones.
            SourceUnavailable: Not reached in time, not trusted, refused, redirected, failed, no JSON, or too large.
            EvidenceIncomplete: Warnings, or a result of another type.
            SamplesStale: The server's clock has not reached the moment that was asked about.
        """
        params = kwargs.pop("params", None) or {}
        address = url.decode() if isinstance(url, bytes) else url
        at = float(params.get("end", params.get("time", 0)))
        question = Question(address, str(params.get("query", "")), at)
        give_up_at = time.monotonic() + self._timeout_seconds
        kwargs |= {"data": params, "stream": True, "allow_redirects": False, "timeout": self._timeout_seconds}
        try:
            response = super().request(method, url, *args, **kwargs)
            with response:
                body = _body(response, give_up_at, question, self._shape)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreached(error, question) from error
        content_type = response.headers.get("Content-Type", "")
        envelope.check(response.status_code, content_type, body, question, self._access, self._shape)
        _check_clock(response.headers.get("Date"), question)
        response.raw = io.BytesIO(body)
        return response


def _body(response: requests.Response, give_up_at: float, question: Question, shape: Shape) -> bytes:
    """Read piece by piece, since the socket's timeout is for each piece and a trickle would never end."""
    pieces, size, most = [], 0, shape.max_bytes
    while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            what = f"the answer is larger than {most} bytes"
            raise EvidenceIncomplete(what, question, shape.too_large)
        if time.monotonic() > give_up_at:
            raise TimeoutError("the answer did not end")
    return b"".join(pieces)


def _unreached(error: Exception, question: Question) -> SourceUnavailable:
    timed_out = isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError))
    if timed_out:
        return SourceUnavailable(
            "no answer in time", question, "see whether it is overloaded; the next look asks again"
        )
    distrust = _distrust(error)
    if distrust is not None:
        return SourceUnavailable(
            f"its certificate is not trusted: {distrust}",
            question,
            "name the authority that signed it in loss.prometheus.caRef, or in the chart for the operator's own",
        )
    what = f"not reached: {type(error).__name__}"
    return SourceUnavailable(what, question, "check the URL, that it runs, and the network policies between")


def _distrust(error: BaseException) -> str | None:
    """Return what is wrong with the server's certificate; requests and urllib3 wrap the error, each its own way."""
    pending, seen = [error], set[int]()
    while pending:
        candidate = pending.pop()
        if isinstance(candidate, ssl.SSLCertVerificationError):
            return candidate.verify_message
        if id(candidate) not in seen:
            seen.add(id(candidate))
            inner = (candidate.__cause__, candidate.__context__, getattr(candidate, "reason", None), *candidate.args)
            pending.extend(part for part in inner if isinstance(part, BaseException))
    return None


def _check_clock(date: str | None, question: Question) -> None:
    """A server that is behind has yet to scrape what belongs to the look; asked too early, it would be lost."""
    try:
        server_time = parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return
    if server_time is not None and server_time + 1 < question.at:
        what = f"its clock is {question.at - server_time:.0f} s behind the end of the look"
        raise SamplesStale(what, question, "synchronise the clocks, or raise loss.settle")
