"""Manifests read as kubectl reads them, so that a revision has the name that the operator will give it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import yaml

from lossgate.api import names
from lossgate.cli.exits import BadData

_LARGEST_PLAIN = 1e21
"""Whole numbers below are written without an exponent, and so are integers again, when the API server stores them."""


class _Loader(yaml.SafeLoader):
    """YAML as kubectl's parser has it: no dates, no base 60, a bare exponent, y and n as flags."""

    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - as the base class has it


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[1] not in ("timestamp", "int", "float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE])|0[0-9]*[89][0-9]*)(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))


def rollouts(file: Path) -> list[dict[str, Any]]:
    """Return the ModelRollouts of a file, or of the standard input for `-`.

    Raises:
        BadData: The file is no YAML or JSON, or has none.
    """
    try:
        with click.open_file(str(file), encoding="utf-8") as stream:
            documents = list(yaml.load_all(stream, _Loader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadData(f"{file} is neither YAML nor JSON: {error}") from error
    objects = [item for document in documents if isinstance(document, dict) for item in _items(document)]
    found = [_as_stored(item) for item in objects if isinstance(item, dict) and item.get("kind") == names.KIND]
    if not found:
        raise BadData(f"{file} has no {names.KIND}")
    return found


def target(rollout: dict[str, Any]) -> names.Revision:
    """Return the revision that a ModelRollout asks for.

    Raises:
        BadData: A field that makes the name is missing.
    """
    try:
        spec = rollout["spec"]
        return names.revision_name(rollout["metadata"]["name"], spec["template"], spec["model"]["version"])
    except (KeyError, TypeError) as error:
        raise BadData("a ModelRollout needs metadata.name, spec.template and spec.model.version") from error


def _items(document: dict[str, Any]) -> list[Any]:
    items = document.get("items")
    return items if document.get("kind", "").endswith("List") and isinstance(items, list) else [document]


def _as_stored(value: Any) -> Any:
    match value:
        case dict():
            return {_key(key): _as_stored(item) for key, item in value.items()}
        case list():
            return [_as_stored(item) for item in value]
        case float() if value.is_integer() and abs(value) < _LARGEST_PLAIN:
            return int(value)
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
