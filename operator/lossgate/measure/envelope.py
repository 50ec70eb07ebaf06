"""Opens what an HTTP server sent as a query's answer, and takes nothing in it on trust."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossgate.api import texts
from lossgate.measure.access import Access
from lossgate.measure.errors import (
    AccessDenied,
    EvidenceIncomplete,
    MeasurementError,
    Question,
    SourceUnavailable,
)

_SHOWN_CHARACTERS = 200
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf)|NaN", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One series of an answer: its labels, and its value by time (Unix seconds)."""

    labels: Mapping[str, str]
    values: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """What an answer must look like, and what to do where it does not."""

    kind: str
    max_bytes: int
    too_large: str
    wrong_kind: str


MANY_SERIES = Shape(
    "matrix",
    16 * 1024 * 1024,
    "narrow loss.selector, so that only this model's series match",
    "check that the URL is that of a Prometheus query API",
)
"""The answer to a range query."""

ONE_NUMBER = Shape(
    "vector",
    256 * 1024,
    "aggregate in the query, so that one series is left",
    "write a query that gives one series at one moment: no range, no scalar, no text",
)
"""The answer to an instant query. Its text is a user's, so a large answer must not cost the operator its memory."""


def check(
    status: int, content_type: str, body: bytes, question: Question, access: Access, shape: Shape = MANY_SERIES
) -> None:
    """Guarantee that the body is a complete, successful answer of a Prometheus to a query.

    `warnings` mean that parts are missing (a store that did not answer, for example). `infos` never do: they are
    remarks on the query, such as that a name does not look like a counter's, so they are let pass. What a server
    says is shown without the credentials that it was sent.

    Raises:
        AccessDenied: Status 401 or 403.
        SourceUnavailable: Any other status than 200, no JSON, or an answer that reports an error.
        EvidenceIncomplete: Warnings, or a result that is not a list of series.
    """
    answer = _json(body)
    if status != 200 or not isinstance(answer, dict) or answer.get("status") != "success":
        raise _refusal(status, content_type, answer, access.without_secrets(_said(answer, body)), question)
    warnings = answer.get("warnings")
    if warnings:
        what = f"the answer is partial: {shown(access.without_secrets(_warnings(warnings)))}"
        raise EvidenceIncomplete(
            what, question, "look at the stores behind this Prometheus; nothing is judged until then"
        )
    data = answer.get("data")
    data = data if isinstance(data, dict) else {}
    kind = data.get("resultType")
    if kind != shape.kind or not isinstance(data.get("result"), list):
        found = shown(access.without_secrets(repr(kind)))
        what = f"the answer holds {found} where a {shape.kind} of series is expected"
        raise EvidenceIncomplete(what, question, shape.wrong_kind)


def rows(result: list[dict[str, Any]], question: Question, ends: range) -> list[Row]:
    """Return the series of a checked answer; values may be NaN or infinite, times are ends that were asked for.

    Raises:
        EvidenceIncomplete: A series that holds anything but numbers at the times that were asked for.
    """
    return [_row(series, question, ends) for series in result]


def numbers(result: list[dict[str, Any]], question: Question) -> list[float]:
    """Return the values of a checked answer to an instant query; they may be NaN or infinite.

    Raises:
        EvidenceIncomplete: A series that holds anything but a number at the moment that was asked for.
    """
    return [_number(series, question) for series in result]


def _number(series: dict[str, Any], question: Question) -> float:
    try:
        if "histogram" in series:
            raise ValueError("a native histogram where a number is expected")
        time, value = series["value"]
        if float(time) != question.at:
            raise ValueError(f"a value for {time}, which was not asked for")
        return _value(value)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"the answer cannot be read: {shown(str(error))}"
        raise EvidenceIncomplete(what, question, "check the query and what answers at this URL") from error


def _row(series: dict[str, Any], question: Question, ends: range) -> Row:
    try:
        if "histograms" in series:
            raise ValueError("a native histogram where a counter is expected")
        labels = {str(name): str(value) for name, value in series["metric"].items()}
        values = [(_grid_time(time, ends), _value(value)) for time, value in series["values"]]
        if len(dict(values)) < len(values):
            raise ValueError("two values for one moment")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"a series of the answer cannot be read: {shown(str(error))}"
        raise EvidenceIncomplete(what, question, "check loss.series and what answers at this URL") from error
    return Row(labels, dict(values))


def _grid_time(time: float, ends: range) -> int:
    if not math.isfinite(time) or int(time) != time or int(time) not in ends:
        raise ValueError(f"a value for {time}, which was not asked for")
    return int(time)


def _value(value: object) -> float:
    """Prometheus writes values as text; Python reads more out of texts than numbers, such as digits with underscores.

    Raises:
        ValueError: No number as Prometheus writes it.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value) is None:
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # The latter from brackets that never close.
        return None


def _said(answer: object, body: bytes) -> str:
    if isinstance(answer, dict) and "error" in answer:
        return f"{answer.get('errorType', 'error')}: {answer['error']}"
    return body.decode(errors="replace")


def _warnings(warnings: object) -> str:
    return "; ".join(map(str, warnings)) if isinstance(warnings, list) else str(warnings)


def _refusal(status: int, content_type: str, answer: object, said: str, question: Question) -> MeasurementError:
    what = f"HTTP {status}, {shown(said) or 'an empty body'}"
    if status in (401, 403):
        return AccessDenied(
            what,
            question,
            "it wants other credentials: check the Secret that loss.prometheus.secretRef names and "
            "loss.prometheus.headers; a ModelRollout that sets neither, nor a URL, is let in by the operator's own",
        )
    if 300 <= status < 400:
        return SourceUnavailable(
            what, question, "it redirects, to a login page perhaps: use the URL that Prometheus has itself"
        )
    if status == 429 or status >= 500:
        return SourceUnavailable(what, question, "see its log; the next look asks again")
    if isinstance(answer, dict):
        return SourceUnavailable(what, question, "it refused the query: see its message")
    kind = shown(content_type) or "no content type"
    what = f"HTTP {status} with {kind} where JSON is expected: {shown(said) or 'an empty body'}"
    return SourceUnavailable(
        what, question, "check loss.prometheus.url: this is no Prometheus, or a login page before it"
    )


def shown(text: str) -> str:
    """Return what somebody else wrote, short and on one line."""
    return texts.shown(text, _SHOWN_CHARACTERS)
