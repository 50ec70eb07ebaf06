"""Why a source gave no evidence: each failure is one type, with the reason that the `Measured` condition shows."""

# Named by what is the case, as the conditions are.

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlsplit

from lossgate.api.reasons import Reason

SHOWN_QUERY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, where, and for which moment (Unix seconds); the context of every failure."""

    url: str
    query: str
    at: float

    def __str__(self) -> str:
        query = " ".join(self.query.split())
        if len(query) > SHOWN_QUERY_CHARACTERS:
            query = query[:SHOWN_QUERY_CHARACTERS] + "..."
        return f"{public_url(self.url)}, query {query} at {shown_time(self.at)}"


class MeasurementError(Exception):
    """No answer that can be trusted; the message says what happened, where, and what to do."""

    reason: ClassVar[Reason]

    def __init__(self, what: str, question: Question, remedy: str) -> None:
        self.what = what
        self.question = question
        self.remedy = remedy
        super().__init__(f"{what} ({question}): {remedy}")

    @property
    def in_short(self) -> str:
        """What an event says: all but the query, which is longer than an event may be."""
        return f"{self.what} ({public_url(self.question.url)}): {self.remedy}; the condition Measured has the query"


class SourceUnavailable(MeasurementError):
    """The source was not reached, refused, failed, or what answered is no Prometheus."""

    reason = Reason.METRICS_UNREACHABLE


class NoAccess(SourceUnavailable):
    """Nothing was asked: what lets the question in cannot be had."""

    def __init__(self, what: str, url: str | None, remedy: str) -> None:
        super().__init__(what, Question(url or "", "not sent", 0.0), remedy)
        address = public_url(url) if url else "no address"
        self.args = (f"{what} ({address}, not asked): {remedy}",)

    @property
    def in_short(self) -> str:
        """What an event says: nothing is left out."""
        return str(self)


class AccessDenied(SourceUnavailable):
    """The source wants other credentials than it was given, or any at all."""


class EvidenceIncomplete(MeasurementError):
    """The source answered, and says or shows that its answer is not the whole truth."""

    reason = Reason.PARTIAL_DATA


class SamplesStale(MeasurementError):
    """The source has not reached the moment that was asked about."""

    reason = Reason.STALE_SAMPLES


class AmbiguousSeries(MeasurementError):
    """As asked, the series of one version cannot be told from those of another."""

    reason = Reason.AMBIGUOUS_SERIES


def public_url(url: str) -> str:
    """Return the URL without user, password, query and fragment, fit for events and logs."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def shown_time(at: float) -> str:
    """Return a moment in Unix seconds as UTC text with a resolution of one second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
