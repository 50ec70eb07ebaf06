from __future__ import annotations

from typing import Any

import pytest

from lossgate.api import names

TEMPLATE: dict[str, Any] = {"spec": {"containers": [{"name": "model", "image": "digits:v1"}]}}


def test_a_revision_keeps_its_name_over_releases() -> None:
    # Another name would start a rollout of every model when the operator is upgraded.
    assert names.revision_name("digits", TEMPLATE, "v1") == "digits-be89c6b0"


def test_the_order_of_fields_does_not_make_a_revision() -> None:
    turned = {"spec": {"containers": [{"image": "digits:v1", "name": "model"}]}}
    assert names.revision_name("digits", turned, "v1") == names.revision_name("digits", TEMPLATE, "v1")


@pytest.mark.parametrize(
    ("template", "version"),
    [
        (TEMPLATE, "v2"),
        ({"spec": {"containers": [{"name": "model", "image": "digits:v2"}]}}, "v1"),
        ({"spec": {"containers": [*TEMPLATE["spec"]["containers"], {"name": "log"}]}}, "v1"),
    ],
)
def test_another_version_or_template_is_another_revision(template: dict[str, Any], version: str) -> None:
    assert names.revision_name("digits", template, version) != names.revision_name("digits", TEMPLATE, "v1")


def test_all_names_of_the_longest_rollout_fit_a_label() -> None:
    rollout = "a" * names.MAX_NAME_LENGTH
    children = (
        names.revision_name(rollout, TEMPLATE, "v1"),
        names.stable_service(rollout),
        names.canary_service(rollout),
        names.route(rollout),
    )
    assert max(len(child) for child in children) <= 63


def test_null_field_is_one_that_is_not_there() -> None:
    spec = {"containers": [{"name": "model"}]}
    nulls = {"containers": [{"name": "model", "resources": None}], "volumes": None}
    assert names.revision_name("digits", {"spec": nulls}, "v1") == names.revision_name("digits", {"spec": spec}, "v1")
