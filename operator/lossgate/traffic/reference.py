"""The split by an HTTPRoute that somebody else owns: two weights of it are set, nothing else is touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lossgate.api import names
from lossgate.api.owner import Owner
from lossgate.api.reasons import Reason
from lossgate.api.traffic import RouteRef
from lossgate.rollout.snapshot import Obstacle, RouteSeen
from lossgate.traffic import acceptance
from lossgate.traffic.router import PatchRoute, Sighting, changed_by

Body = Mapping[str, Any]

DEFAULT_WEIGHT = 1
"""What the Gateway API takes for a backend that has no weight."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Where a route holds the two Services: the rule's position, and each one's among its backendRefs."""

    rule: int
    stable: int
    canary: int


@dataclass(frozen=True, slots=True)
class ReferencedRoute:
    """The route that `spec.traffic.routeRef` names."""

    owner: Owner
    reference: RouteRef

    @property
    def route_name(self) -> str:
        """Name of the HTTPRoute."""
        return self.reference.name

    def seen(self, body: Body | None, rivals: Collection[str]) -> Sighting:
        """Return the weights of the two Services, or why they cannot be told or trusted."""
        if body is None:
            return Sighting(None, self._fault(Reason.ROUTE_NOT_FOUND, self._missing_route()))
        pair = self._find(body)
        if isinstance(pair, Obstacle):
            return Sighting(None, pair)
        fault = self._rivalry(body, pair, rivals)
        answer = acceptance.of(body)
        route = RouteSeen(
            stable_weight=_weight(body, pair.rule, pair.stable),
            canary_weight=_weight(body, pair.rule, pair.canary),
            as_specified=True,
            accepted=answer.accepted and fault is None,
            message=fault.message if fault else answer.message,
            refused_since=answer.refused_since,
            uid=body["metadata"].get("uid", ""),
            generation=body["metadata"].get("generation", 0),
            changed_by=changed_by(body),
        )
        return Sighting(route, fault)

    def write(self, body: Body | None, stable_weight: int, canary_weight: int) -> PatchRoute | None:
        """Return the JSON patch for the weights that differ, good only for the route as it was seen."""
        pair = self._find(body) if body is not None else None
        if body is None or not isinstance(pair, Pair):
            return None
        changes: list[dict[str, Any]] = []
        for name, position, weight in (
            (names.stable_service(self.owner.name), pair.stable, stable_weight),
            (names.canary_service(self.owner.name), pair.canary, canary_weight),
        ):
            if _weight(body, pair.rule, position) != weight:
                path = f"/spec/rules/{pair.rule}/backendRefs/{position}"
                changes.append({"op": "test", "path": f"{path}/name", "value": name})
                changes.append({"op": "add", "path": f"{path}/weight", "value": weight})
        if not changes:
            return None
        version = body["metadata"]["resourceVersion"]
        return PatchRoute(({"op": "test", "path": "/metadata/resourceVersion", "value": version}, *changes))

    def _find(self, body: Body) -> Pair | Obstacle:
        """Return where the two Services are, or why that cannot be told."""
        rules = body["spec"].get("rules") or ()
        wanted = self.reference.rule_name
        named = [index for index, rule in enumerate(rules) if wanted is None or rule.get("name") == wanted]
        if wanted is not None and not named:
            return self._fault(Reason.ROUTE_NOT_FOUND, self._missing_rule(rules))
        places = {index: self._places(rules[index]) for index in named}
        complete = [index for index, (stable, canary) in places.items() if stable and canary]
        if not complete:
            return self._fault(Reason.ROUTE_NOT_FOUND, self._missing_backend(list(places.values())))
        if len(complete) > 1:
            return self._fault(Reason.BACKEND_CONFLICT, self._many_rules(rules, complete))
        stable, canary = places[complete[0]]
        if len(stable) > 1 or len(canary) > 1:
            twice = names.stable_service(self.owner.name) if len(stable) > 1 else names.canary_service(self.owner.name)
            message = f"{_rule(rules, complete[0])} of {self._route()} names Service {twice} more than once; leave one."
            return self._fault(Reason.BACKEND_CONFLICT, message)
        return Pair(complete[0], stable[0], canary[0])

    def _places(self, rule: Body) -> tuple[list[int], list[int]]:
        return (
            self._positions(rule, names.stable_service(self.owner.name)),
            self._positions(rule, names.canary_service(self.owner.name)),
        )

    def _positions(self, rule: Body, service: str) -> list[int]:
        """Return where a rule names a Service of the rollout's namespace."""
        return [
            index
            for index, backend in enumerate(rule.get("backendRefs") or ())
            if backend["name"] == service
            and not backend.get("group")
            and (backend.get("kind") or "Service") == "Service"
            and (backend.get("namespace") or self.owner.namespace) == self.owner.namespace
        ]

    def _rivalry(self, body: Body, pair: Pair, rivals: Collection[str]) -> Obstacle | None:
        rules = body["spec"]["rules"]
        for rival in sorted(rivals):
            services = (names.stable_service(rival), names.canary_service(rival))
            if rival != self.owner.name and all(self._positions(rules[pair.rule], service) for service in services):
                message = (
                    f"{_rule(rules, pair.rule)} of {self._route()} holds the Services of ModelRollout {rival} too, so "
                    "that neither gets the share that was decided. Give each a rule of its own."
                )
                return self._fault(Reason.BACKEND_CONFLICT, message)
        return None

    def _fault(self, reason: Reason, message: str) -> Obstacle:
        return Obstacle(reason, message)

    def _route(self) -> str:
        return f"HTTPRoute {self.reference.name}"

    def _pair_in_words(self) -> str:
        return f"{names.stable_service(self.owner.name)} and {names.canary_service(self.owner.name)}"

    def _missing_route(self) -> str:
        return (
            f"There is no {self._route()}, which spec.traffic.routeRef names, in namespace {self.owner.namespace}. "
            f"Create it with the Services {self._pair_in_words()} as backendRefs of one rule."
        )

    def _missing_rule(self, rules: Collection[Body]) -> str:
        present = ", ".join(rule["name"] for rule in rules if rule.get("name"))
        return (
            f"{self._route()} has no rule named {self.reference.rule_name}, which spec.traffic.routeRef.ruleName asks "
            f"for; its rules with a name: {present or 'none'}. Correct the name, or leave ruleName out to take the one "
            f"rule that holds the Services {self._pair_in_words()}."
        )

    def _missing_backend(self, places: list[tuple[list[int], list[int]]]) -> str:
        where = f"Rule {self.reference.rule_name}" if self.reference.rule_name else "No rule"
        lacking = [
            service
            for position, service in enumerate(
                (names.stable_service(self.owner.name), names.canary_service(self.owner.name))
            )
            if not any(place[position] for place in places)
        ]
        missing = f"no backendRef names {' or '.join(lacking)}" if lacking else "they are in different rules"
        verb = "does not hold" if self.reference.rule_name else "holds"
        return (
            f"{where} of {self._route()} {verb} both Services {self._pair_in_words()} as backendRefs: {missing}. Add "
            "what is missing, the canary with weight 0."
        )

    def _many_rules(self, rules: Any, complete: list[int]) -> str:
        listed = ", ".join(_rule(rules, index) for index in complete)
        what = "have one name" if self.reference.rule_name else "hold the rollout's two Services"
        return (
            f"More than one rule of {self._route()} {what}: {listed}. Say which one splits the requests by a name of "
            "its own, in spec.traffic.routeRef.ruleName."
        )


def _rule(rules: Any, index: int) -> str:
    name = rules[index].get("name")
    return f"rule {name}" if name else f"rule number {index + 1}"


def _weight(body: Body, rule: int, backend: int) -> int:
    return int(body["spec"]["rules"][rule]["backendRefs"][backend].get("weight", DEFAULT_WEIGHT))
