"""docs/reference/modelrollout.md: every field of the resource, from the schema that the API server has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lossgate.api import crd
from lossgate.api.rules import VALIDATIONS
from tests.docs.reference.markdown import GENERATED, cell, code, table

Node = dict[str, Any]

EXAMPLE = Path(__file__).parents[3] / "docs" / "reference" / "modelrollout.yaml"

_INTRODUCTION = """
# ModelRollout: every field

`lossgate.io/v1alpha1`, namespaced, short name `mr`. The API server checks all that is said here and refuses a
manifest with words that say what to write instead: [what it says](refused.md). Unknown fields are refused by `kubectl`
and pruned where a tool switches strict validation off. [status.md](status.md) explains phases, reasons and events.

A manifest ([as a file](modelrollout.yaml)); what is left out has the default below:

```yaml
{example}```

Durations are written `30s` or `1h30m`, percentages always carry their sign, and loss units are decimals in quotes: only
the two probabilities of `gate.risk` are floating-point numbers that a tool could round.
"""


def page() -> str:
    """Return the page."""
    schema = crd.build()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = [GENERATED, _INTRODUCTION.format(example=EXAMPLE.read_text(encoding="utf-8"))]
    for name in ("spec", "status"):
        parts += [_object(path, node, with_defaults=name == "spec") for path, node in _objects(schema, name)]
    rules = "".join(f"- {rule}\n" for rule in _rules(schema))
    return "".join([*parts, "\n## metadata\n\n", rules])


def _objects(schema: Node, part: str) -> Iterator[tuple[str, Node]]:
    """Yield every object that has fields, each before those in it."""
    waiting = [(part, schema["properties"][part])]
    while waiting:
        path, node = waiting.pop(0)
        yield path, node
        inner = [(f"{path}.{name}", field) for name, field in node["properties"].items()]
        inner = [(f"{path}[]", field["items"]) if "items" in field else (path, field) for path, field in inner]
        waiting = [item for item in inner if "properties" in item[1]] + waiting


def _object(path: str, node: Node, *, with_defaults: bool) -> str:
    level = "##" if "." not in path else "###"
    required = node.get("required", [])
    header = ["field", "type", "default", "what it says"] if with_defaults else ["field", "type", "what it says"]
    rows = []
    for name, field in node["properties"].items():
        default = "required" if name in required else _default(field)
        kind = _type(f"{path}.{name}", field)
        rows.append([code(name), kind, *([default] if with_defaults else []), cell(_text(field, with_defaults))])
    rules = "".join(f"- {rule}\n" for rule in _rules(node))
    unknown = "- any other field is kept as written\n" if node.get("x-kubernetes-preserve-unknown-fields") else ""
    notes = f"\n{rules}{unknown}" if rules or unknown else ""
    return f"\n{level} {path}\n\n{node['description']}\n\n{table(header, rows)}{notes}"


def _text(field: Node, with_bounds: bool) -> str:
    """What a field says, then what bounds it, then what a refusal would say."""
    sentences = [field["description"]]
    if with_bounds:
        sentences += [_sentence(bound) for bound in _bounds(field)]
        if "properties" not in field:
            sentences += [_sentence(rule) for rule in _rules(field)]
    return " ".join(sentences)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _rules(node: Node) -> list[str]:
    return [rule["message"] for rule in node.get(VALIDATIONS, ())]


def _bounds(field: Node) -> Iterator[str]:
    """Yield the bounds in words; where a rule says what to write, it says the bounds too."""
    if "enum" in field:
        yield "one of " + ", ".join(code(word) for word in field["enum"])
        return
    values = field.get("additionalProperties", {})
    inner = field.get("items", values if isinstance(values, dict) else {})
    if "type" in inner and inner["type"] == "string":
        yield from (f"each: {rule}" for rule in _rules(inner))
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None or high is not None:
        yield _range(low, high, "")
    for least, most, what in (
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ):
        low, high = field.get(least), field.get(most)
        if high is not None and not (what == " characters" and _rules(field)):
            yield _range(low, high, what)
    if field.get("x-kubernetes-list-type") == "map":
        yield f"each {' and '.join(code(key) for key in field['x-kubernetes-list-map-keys'])} once"
    elif field.get("x-kubernetes-list-type") == "set":
        yield "each entry once"


def _range(low: float | None, high: float | None, what: str) -> str:
    if low is None or (low == 0 and what):
        return f"at most {high:g}{what}" if high is not None and high < 1e6 else f"at most {high}{what}"
    return f"at least {low}{what}" if high is None else f"from {low} to {high}{what}"


def _default(field: Node) -> str:
    if "default" not in field or field["default"] in ({}, []):
        return ""
    return code(json.dumps(field["default"], ensure_ascii=False))


def _type(path: str, field: Node) -> str:
    """Return the type; an object with fields of its own leads to its table."""
    if "properties" in field:
        return f"[object](#{_anchor(path)})"
    if "items" in field:
        inner = field["items"]
        return f"[list](#{_anchor(f'{path}[]')})" if "properties" in inner else f"list of {inner['type']}s"
    if "additionalProperties" in field:
        return f"map of {field['additionalProperties']['type']}s"
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if field.get("format") == "date-time":
        return "time"
    if any("duration(self)" in rule["rule"] for rule in field.get(VALIDATIONS, ())):
        return "duration"
    return str(field["type"])


def _anchor(path: str) -> str:
    """The anchor that a heading gets: letters, digits and dashes stay."""
    return "".join(character for character in path.lower() if character.isalnum() or character in "-_ ")
