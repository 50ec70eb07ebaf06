"""Queries that users write once for both versions: names after a `$` are put in, and nothing else is changed."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def resolve(template: str, values: Mapping[str, str]) -> str:
    """Return the query with every `$name` replaced by its value.

    A value may stand within any of PromQL's three kinds of quotes, in one of which nothing can be escaped, or in none:
    so only values that mean the same in all of them are let in. Names of Kubernetes objects and durations are such.

    Raises:
        ValueError: A name that stands for nothing, or a value that could be read as more than a value.
    """
    for name, value in values.items():
        if _PLAIN.fullmatch(value) is None:
            raise ValueError(f"${name} would be {value!r}, which is no plain name: the query is not sent")

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ValueError(f"{match[0]} stands for nothing: the query is not sent")
        return values[match[1]]

    return _PLACEHOLDER.sub(value_of, template)
