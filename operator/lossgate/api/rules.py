"""What the API server checks beyond types, each rule with words for the person who must change the manifest."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic.config import JsonDict

from lossgate.api.quantities import DURATION_PATTERN

VALIDATIONS = "x-kubernetes-validations"
MESSAGE = "x-message"

METRIC_NAME_PATTERN = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
METRIC_LABEL_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
PROMETHEUS_URL_PATTERN = r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$"
HEADER_NAME_PATTERN = r"^[a-zA-Z0-9._-]+$"
HEADER_VALUE_PATTERN = r"^[!-~]([ -~]*[!-~])?$"
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
OBJECT_KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"
HOSTNAME_PATTERN = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


def rule(expression: str, message: str, field_path: str | None = None, judges: Sequence[str] = ()) -> JsonDict:
    """Return one CEL rule; `message` says what to write instead, `field_path` names the field to change.

    The API server lets stand what was stored before a rule came, as long as the node of the rule is unchanged. A node
    with many fields changes often: such a rule names the fields that it `judges`, and is silent while these stay.
    """
    entry: JsonDict = {"rule": expression, "message": message}
    if judges:
        unchanged = " && ".join(["oldSelf.hasValue()", *(_same(field) for field in judges)])
        entry |= {"rule": f"({unchanged}) || ({expression})", "optionalOldSelf": True}
    return entry | {"fieldPath": field_path} if field_path else entry


def _same(field: str) -> str:
    old, new = f"oldSelf.value().{field}", f"self.{field}"
    return f"has({old}) == has({new}) && (!has({new}) || {old} == {new})"


def rules(*entries: JsonDict) -> JsonDict:
    """Return the schema keyword that holds CEL rules, to be merged into a field's or a model's schema."""
    return {VALIDATIONS: list(entries)}


def says(message: str) -> JsonDict:
    """Return the keyword that gives a field's own bounds and pattern words: they become one rule with `message`."""
    return {MESSAGE: message}


def lasts(at_least: str, at_most: str, *, such_as: str, whole_seconds: bool = False) -> JsonDict:
    """Return the rule of a duration with both bounds included; `such_as` is a good value to show."""
    checks = [
        f"self.matches(r'{DURATION_PATTERN}')",
        f"duration(self) >= duration('{at_least}')",
        f"duration(self) <= duration('{at_most}')",
    ]
    if whole_seconds:
        checks.append("duration(self).getMilliseconds() % 1000 == 0")
    kind = "a duration of whole seconds" if whole_seconds else "a duration"
    return rules(
        rule(" && ".join(checks), f'write {kind} from {at_least} to {at_most} with units h, m, s, such as "{such_as}"')
    )
