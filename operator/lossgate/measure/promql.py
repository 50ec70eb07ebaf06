"""PromQL text in which no value can be read as anything but a value."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def is_label_name(name: str) -> bool:
    """Return whether a name may stand unquoted in matchers and groupings."""
    return _LABEL_NAME.fullmatch(name) is not None


def quoted(text: str) -> str:
    """Return a double-quoted PromQL string that stands for exactly this text (escapes are those of Go)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def matching_any(label: str, values: Iterable[str]) -> str:
    """Return the matcher for a label that has exactly one of the values; their order does not matter."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return f"{label}={quoted(distinct[0])}"
    return f"{label}=~{quoted('|'.join(map(regex_literal, distinct)))}"


def regex_literal(text: str) -> str:
    """Return the pattern of exactly this text: RE2 anchors matchers at both ends."""
    return _REGEX_SPECIAL.sub(r"\\\g<0>", text)
