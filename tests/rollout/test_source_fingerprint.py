"""What counts as another source of losses, so that evidence of the two is not mixed."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.api.spec import Loss
from lossgate.rollout.evidence import source_fingerprint


def fingerprint(**prometheus: Any) -> str:
    return source_fingerprint(Loss.model_validate({"prometheus": prometheus}))


THEIRS: dict[str, Any] = {"url": "https://theirs", "headers": {"X-Scope-OrgID": "a"}, "secretRef": {"name": "v1"}}


@pytest.mark.parametrize(
    "change",
    [{"url": "https://other"}, {"headers": {"X-Scope-OrgID": "b"}}, {"headers": {}}, {"headers": {"X-B": "a"}}],
)
def test_another_address_or_tenant_is_another_source(change: dict[str, Any]) -> None:
    assert fingerprint(**{**THEIRS, **change}) != fingerprint(**THEIRS)


@pytest.mark.parametrize(
    "change",
    [
        {"secretRef": {"name": "v2"}},
        {"secretRef": None},
        {"caRef": {"kind": "Secret", "name": "company"}},
        {"headers": {"x-scope-orgid": "a"}},
    ],
)
def test_other_credentials_for_it_are_the_same_source(change: dict[str, Any]) -> None:
    assert fingerprint(**{**THEIRS, **change}) == fingerprint(**THEIRS)


def test_without_the_operators_headers_its_prometheus_may_be_another_tenants() -> None:
    assert fingerprint(secretRef={"name": "v1"}) != fingerprint()
    assert fingerprint(secretRef={"name": "v1"}) == fingerprint(secretRef={"name": "v2"})


def test_an_empty_map_of_headers_says_nothing() -> None:
    assert fingerprint(headers={}) == fingerprint()
