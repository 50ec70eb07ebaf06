"""From the JSON schema of pydantic models to the structural schema that a CustomResourceDefinition takes.

Structural schemas are defined in the Kubernetes documentation, "Specifying a structural schema": no references, no
unions with null, one type per node, OpenAPI 3.0 keywords.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lossgate.api.rules import MESSAGE, VALIDATIONS, rule

Schema = dict[str, Any]

_DROPPED = ("title", "$defs")
_FIRST = ("description", "type", "enum", "default", "required", "properties", "items", "additionalProperties")
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def of_input(model: type[BaseModel]) -> Schema:
    """Return the schema of what users write: bounds, rules, and defaults in the form that the API has them."""
    document = model.model_json_schema(by_alias=True, mode="serialization")
    return _convert(document, document.get("$defs", {}))


def of_output(model: type[BaseModel]) -> Schema:
    """Return the schema of what the operator writes: without defaults and without lists of allowed words.

    Nothing is filled in that the operator did not say, and an operator that knows one more word than the CRD in the
    cluster can still write its status.
    """
    return _without(of_input(model), ("default", "enum"))


def _convert(node: Schema, definitions: Schema) -> Schema:
    node = _resolve(node, definitions)
    converted = {key: value for key, value in node.items() if key not in _DROPPED and key not in ("default", MESSAGE)}
    if "description" in node:
        converted["description"] = " ".join(node["description"].split())
    if "default" in node and node["default"] is not None:
        # An object's own fields have defaults: an empty object lets each of them apply, also beside given ones.
        converted["default"] = {} if isinstance(node["default"], dict) else _without_nulls(node["default"])
    if "properties" in node:
        converted["properties"] = {name: _convert(field, definitions) for name, field in node["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            converted[keyword] = _convert(node[keyword], definitions)
    converted = _bounds_as_rule(converted, node[MESSAGE]) if MESSAGE in node else _openapi_bounds(converted)
    order = [keyword for keyword in _FIRST if keyword in converted]
    return {keyword: converted[keyword] for keyword in (*order, *sorted(converted.keys() - set(order)))}


def _without_nulls(value: Any) -> Any:
    """A field that an item of a default list does not name is left out: the API has no null."""
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return value


def _resolve(node: Schema, definitions: Schema) -> Schema:
    """Inline a reference and take the one alternative beside null; what is said at the place of use wins."""
    while "$ref" in node or "anyOf" in node:
        outer = dict(node)
        if "$ref" in outer:
            inner = definitions[outer.pop("$ref").removeprefix("#/$defs/")]
        else:
            (inner,) = (choice for choice in outer.pop("anyOf") if choice != {"type": "null"})
        node = inner | outer
    return node


def _bounds_as_rule(node: Schema, message: str) -> Schema:
    """Turn bounds and pattern into one rule: the API server would show the bare expression beside the words."""
    node = dict(node)
    checks = [f"self {sign} {node.pop(keyword)}" for keyword, sign in _BOUNDS.items() if keyword in node]
    if "pattern" in node:
        checks.append(f"self.matches(r'{node.pop('pattern')}')")
    return node | {VALIDATIONS: [*node.get(VALIDATIONS, ()), rule(" && ".join(checks), message)]}


def _openapi_bounds(node: Schema) -> Schema:
    """JSON Schema 2020 gives exclusive bounds as numbers, OpenAPI 3.0 as flags."""
    converted = dict(node)
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in node:
            converted |= {bound: node[exclusive], exclusive: True}
    return converted


def _without(node: Schema, keywords: tuple[str, ...]) -> Schema:
    kept = {key: value for key, value in node.items() if key not in keywords}
    if "properties" in node:
        kept["properties"] = {name: _without(field, keywords) for name, field in node["properties"].items()}
    if "items" in node:
        kept["items"] = _without(node["items"], keywords)
    return kept
