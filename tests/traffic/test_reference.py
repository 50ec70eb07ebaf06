"""Somebody else's route: the two weights and nothing else, and words for whatever makes them untellable."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.api.owner import Owner
from lossgate.api.reasons import Reason
from lossgate.api.traffic import RouteRef
from lossgate.controller.routes import kept
from lossgate.traffic.reference import ReferencedRoute
from tests.controller.fake_kube import json_patched

OWNER = Owner("digits", "ml", "uid-1")
JSON = dict[str, Any]


def router(rule: str | None = None) -> ReferencedRoute:
    return ReferencedRoute(OWNER, RouteRef(name="models", rule_name=rule))


def backend(name: str, **fields: Any) -> JSON:
    return {"group": "", "kind": "Service", "name": name, "port": 80, **fields}


def a_rule(*backends: str | JSON, **fields: Any) -> JSON:
    return {"backendRefs": [backend(item) if isinstance(item, str) else item for item in backends], **fields}


def a_route(*rules: JSON) -> JSON:
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
    conditions = [{"type": type_, "status": "True", "observedGeneration": 3} for type_ in ("Accepted", "ResolvedRefs")]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": "models",
            "namespace": "ml",
            "uid": "route-1",
            "generation": 3,
            "resourceVersion": "41",
            "labels": {"team": "vision"},
            "annotations": {"argocd.argoproj.io/tracking-id": "ml"},
            "managedFields": [{"manager": "argocd", "operation": "Apply"}],
        },
        "spec": {"parentRefs": [parent], "hostnames": ["models.example.com"], "rules": list(rules)},
        "status": {"parents": [{"parentRef": parent, "controllerName": "x", "conditions": conditions}]},
    }


MATCHES = st.lists(
    st.fixed_dictionaries({"path": st.fixed_dictionaries({"type": st.just("PathPrefix"), "value": st.text("/ab~")})}),
    max_size=2,
)
FILTERS = st.lists(
    st.sampled_from(
        [
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "digits-canary", "port": 80}}},
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "weight"}]}},
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}},
        ]
    ),
    max_size=2,
)
WEIGHTS = st.one_of(st.none(), st.integers(0, 1_000_000))
OTHERS = ("theirs", "digits-canary-2", "digit", "other", "other-canary", "canary")


@st.composite
def backends(draw: st.DrawFn, name: str) -> JSON:
    fields: JSON = {"name": name}
    if (weight := draw(WEIGHTS)) is not None:
        fields["weight"] = weight
    if draw(st.booleans()):
        fields |= {"group": "", "kind": "Service"}
    if draw(st.booleans()):
        fields["namespace"] = "ml"
    fields["port"] = draw(st.sampled_from([80, 8080, 65535]))
    if filters := draw(FILTERS):
        fields["filters"] = filters
    return fields


@st.composite
def rules(draw: st.DrawFn, *, ours: bool) -> JSON:
    names = draw(st.lists(st.sampled_from(OTHERS), max_size=4))
    names += ["digits", "digits-canary"] if ours else draw(st.sampled_from([[], ["digits"], ["digits-canary"]]))
    rule: JSON = {"backendRefs": [draw(backends(name)) for name in draw(st.permutations(names))]}
    if not rule["backendRefs"] and draw(st.booleans()):
        del rule["backendRefs"]
    if matches := draw(MATCHES):
        rule["matches"] = matches
    if filters := draw(FILTERS):
        rule["filters"] = filters
    if draw(st.booleans()):
        rule["timeouts"] = {"request": draw(st.sampled_from(["10s", "1m"]))}
    return rule


@st.composite
def routes(draw: st.DrawFn) -> tuple[JSON, int]:
    """A route and the position of the rule that holds the rollout's two Services."""
    position, count = draw(st.integers(0, 5)), draw(st.integers(1, 6))
    position = min(position, count - 1)
    found = [draw(rules(ours=index == position)) for index in range(count)]
    for index in draw(st.sets(st.integers(0, count - 1))):
        found[index]["name"] = f"rule-{index}"
    return a_route(*found), position


@given(routes(), st.integers(0, 100), st.booleans())
def test_only_the_two_weights_change_and_only_once(found: tuple[JSON, int], canary: int, by_name: bool) -> None:
    route, position = found
    named = route["spec"]["rules"][position].get("name")
    of = router(named if by_name else None)
    before = copy.deepcopy(route)
    write = of.write(kept(route), 100 - canary, canary)
    assert route == before, "what the watch delivered is not changed"
    patched = json_patched(route, write.operations) if write else route
    assert patched is not None
    sighting = of.seen(kept(patched), ())
    assert sighting.fault is None
    assert sighting.route is not None
    assert (sighting.route.stable_weight, sighting.route.canary_weight) == (100 - canary, canary)
    assert of.write(kept(patched), 100 - canary, canary) is None, "there is nothing left to write"
    for body in (before, patched):
        for item in body["spec"]["rules"][position]["backendRefs"]:
            if item["name"] in ("digits", "digits-canary"):
                item.pop("weight", None)
    assert patched == before


@given(routes(), st.integers(0, 100))
def test_patch_of_a_route_that_was_changed_since_fails(found: tuple[JSON, int], canary: int) -> None:
    route, position = found
    write = router().write(kept(route), 100 - canary, canary)
    if write is None:
        return
    newer = copy.deepcopy(route)
    newer["metadata"]["resourceVersion"] = "42"
    assert json_patched(newer, write.operations) is None
    reordered = copy.deepcopy(route)
    for item in reordered["spec"]["rules"][position]["backendRefs"]:
        item["name"] = f"x-{item['name']}"
    assert json_patched(reordered, write.operations) is None


BOTH = ("digits", "digits-canary")


@pytest.mark.parametrize(
    ("rule", "route", "reason", "words"),
    [
        (None, None, Reason.ROUTE_NOT_FOUND, "There is no HTTPRoute models, which spec.traffic.routeRef names, in"),
        ("predict", a_route(a_rule(*BOTH)), Reason.ROUTE_NOT_FOUND, "no rule named predict"),
        ("predict", a_route(a_rule(*BOTH, name="explain")), Reason.ROUTE_NOT_FOUND, "with a name: explain"),
        (None, a_route(), Reason.ROUTE_NOT_FOUND, "no backendRef names digits or digits-canary"),
        (None, a_route({"filters": []}), Reason.ROUTE_NOT_FOUND, "no backendRef names digits or digits-canary"),
        (None, a_route(a_rule("digits")), Reason.ROUTE_NOT_FOUND, "no backendRef names digits-canary"),
        (None, a_route(a_rule("digits-canary")), Reason.ROUTE_NOT_FOUND, "no backendRef names digits."),
        (None, a_route(a_rule("digits"), a_rule("digits-canary")), Reason.ROUTE_NOT_FOUND, "in different rules"),
        (
            "predict",
            a_route(a_rule("digits", name="predict"), a_rule(*BOTH)),
            Reason.ROUTE_NOT_FOUND,
            "Rule predict of HTTPRoute models does not hold both Services digits and digits-canary",
        ),
        (
            None,
            a_route(a_rule("digits", backend("digits-canary", namespace="other"))),
            Reason.ROUTE_NOT_FOUND,
            "no backendRef names digits-canary",
        ),
        (
            None,
            a_route(a_rule("digits", backend("digits-canary", group="x.io", kind="Pool"))),
            Reason.ROUTE_NOT_FOUND,
            "no backendRef names digits-canary",
        ),
        (
            None,
            a_route(a_rule(*BOTH, name="predict"), a_rule(*BOTH)),
            Reason.BACKEND_CONFLICT,
            "rule predict, rule number 2",
        ),
        (
            "predict",
            a_route(a_rule(*BOTH, name="predict"), a_rule(*BOTH, name="predict")),
            Reason.BACKEND_CONFLICT,
            "have one name",
        ),
        (None, a_route(a_rule("digits", *BOTH)), Reason.BACKEND_CONFLICT, "names Service digits more than once"),
        (None, a_route(a_rule(*BOTH, "digits-canary")), Reason.BACKEND_CONFLICT, "digits-canary more than once"),
    ],
)
def test_what_is_missing_or_ambiguous_is_named_and_never_written(
    rule: str | None, route: JSON | None, reason: Reason, words: str
) -> None:
    sighting = router(rule).seen(route, ())
    assert sighting.route is None
    assert sighting.fault is not None
    assert sighting.fault.reason is reason
    assert words in sighting.fault.message
    assert router(rule).write(route, 80, 20) is None


@pytest.mark.parametrize(
    ("rule", "route"),
    [
        ("predict", a_route(a_rule(*BOTH), a_rule(*BOTH, name="predict"))),
        (None, a_route(a_rule(*BOTH, "theirs"), a_rule("digits"), a_rule("digits-canary"))),
        (None, a_route(a_rule({"name": "digits", "port": 80}, {"name": "digits-canary", "port": 81}))),
    ],
    ids=["other-rule-of-the-same-pair", "foreign-backends", "defaults-left-out"],
)
def test_pair_that_can_be_told_is_taken(rule: str | None, route: JSON) -> None:
    sighting = router(rule).seen(route, ())
    assert sighting.fault is None
    assert sighting.route is not None
    assert sighting.route.accepted


def test_another_rollouts_pair_in_the_same_rule_is_a_conflict_that_can_still_be_taken_back() -> None:
    route = a_route(a_rule(*BOTH, "faces", "faces-canary", name="predict"))
    sighting = router().seen(route, ("faces",))
    assert sighting.fault is not None
    assert sighting.fault.reason is Reason.BACKEND_CONFLICT
    assert "ModelRollout faces" in sighting.fault.message
    assert sighting.route is not None
    assert not sighting.route.accepted
    assert router().write(route, 100, 0) is not None
    assert router().seen(route, ()).fault is None, "Services of that name that are no rollout's are foreign backends"


def test_another_rollouts_pair_in_a_rule_of_its_own_is_none() -> None:
    route = a_route(a_rule(*BOTH), a_rule("faces", "faces-canary"))
    assert router().seen(route, ("faces",)).fault is None


def test_what_is_kept_of_a_route_names_who_wrote_the_rules_last() -> None:
    def entry(manager: str, time: str, *fields: str) -> JSON:
        owned: JSON = {"f:spec": {f"f:{field}": {} for field in fields}}
        return {"manager": manager, "operation": "Update", "time": f"2026-01-01T00:00:{time}Z", "fieldsV1": owned}

    route = a_route(a_rule(*BOTH))
    route["metadata"]["managedFields"] = [
        entry("kubectl", "10", "rules"),
        entry("flux", "20", "rules"),
        entry("lossgate", "30", "rules"),
        entry("someone", "40", "hostnames"),
        {"manager": "gateway", "time": "2026-01-01T00:00:50Z", "fieldsV1": {"f:status": {}}, "subresource": "status"},
    ]
    small = kept(route)
    sighting = router().seen(small, ())
    assert sighting.route is not None
    assert sighting.route.changed_by == "flux"
    assert "fieldsV1" not in str(small)
    assert "annotations" not in small["metadata"]
