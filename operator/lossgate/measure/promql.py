"""PromQL text in which no value can be read as anything but a value."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\ufffd": "\\ufffd"}
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def is_label_name(name: str) -> bool:
    """Return whether a name may stand unquoted in matchers and groupings, where some words are numbers to PromQL."""
    return _LABEL_NAME.fullmatch(name) is not None and name.lower() not in ("inf", "nan")


def quoted(text: str) -> str:
    """Return a double-quoted PromQL string that stands for exactly this text (escapes are those of Go).

    The replacement character is escaped because Prometheus takes a bare one for broken UTF-8 and refuses the query.
    """
    return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'


def matching_any(label: str, values: Iterable[str]) -> str:
    """Return the matcher for a label that has exactly one of the values; their order does not matter."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return f"{label}={quoted(distinct[0])}"
    return f"{label}=~{quoted('|'.join(map(regex_literal, distinct)))}"


def regex_literal(text: str) -> str:
    """Return the pattern of exactly this text: RE2 anchors matchers at both ends."""
    return _REGEX_SPECIAL.sub(r"\\\g<0>", text)
