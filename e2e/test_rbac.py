"""The operator asks for nothing that it may not have, and has no right that it does not use; runs after all others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from e2e.audit import ACCOUNT, account, requests_of
from e2e.cluster import Cluster
from e2e.installation import TEAM_NAMESPACE
from e2e.rights import Right, exercised, granted, table

pytestmark = pytest.mark.last

WITHOUT_REQUEST = {
    Right("lossgate.io", "modelrollouts/finalizers", "update"): (
        "checked when a child is created whose owner reference blocks deletion, on clusters with the admission plugin "
        "OwnerReferencesPermissionEnforcement; never asked for by itself"
    ),
}
"""Rights that show in no request, and why they are granted all the same."""
WHEN_THINGS_BREAK = {Right("lossgate.io", "modelrollouts", "get")}
"""Rights that are used after a conflict, of which a run may have none."""
MODES = {
    "cluster-wide": (ACCOUNT, ()),
    "namespaced": (account(TEAM_NAMESPACE, "team-lossgate"), (f"watchNamespaces={{{TEAM_NAMESPACE}}}",)),
}


@pytest.fixture(scope="module")
def used(cluster: Cluster, session_began: str) -> dict[str, Counter[Right]]:
    """How often each right was used in this run, by the mode of installation."""
    if cluster.audit_log is None:
        pytest.skip("reads the audit log, which only the local cluster shows")
    log: Path = cluster.audit_log
    return {mode: exercised(requests_of(log, user, session_began)) for mode, (user, _) in MODES.items()}


def test_no_request_was_forbidden(cluster: Cluster, session_began: str) -> None:
    """But for the last ones of an operator that is uninstalled: Helm takes all its rights before its pod has ended.

    Nothing depends on them: a Lease that is not handed back runs out.
    """
    if cluster.audit_log is None:
        pytest.skip("reads the audit log, which only the local cluster shows")
    for user, _ in MODES.values():
        requests = [request for request in requests_of(cluster.audit_log, user, session_began) if request.resource]
        last_allowed = {request.pod: request.time for request in requests if not request.forbidden}
        refused = [item for item in requests if item.forbidden and item.time < last_allowed.get(item.pod, "9999")]
        assert [f"{request.time} {request.what}" for request in refused] == []


def test_every_right_is_used(
    cluster: Cluster, used: dict[str, Counter[Right]], played: frozenset[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rights = {mode: granted(cluster, *settings) for mode, (_, settings) in MODES.items()}
    with capsys.disabled():
        print("\n" + table(rights["cluster-wide"] | rights["namespaced"], used))
    for mode, counts in used.items():
        assert set(counts) <= rights[mode], f"{mode}: used without being granted"
    missing = {path.stem for path in Path(__file__).parent.glob("test_*.py")} - played
    if missing:
        pytest.skip(f"says nothing while {', '.join(sorted(missing))} are not played in the same run")
    every = sum(used.values(), Counter[Right]())
    unused = (rights["cluster-wide"] | rights["namespaced"]) - set(every) - set(WITHOUT_REQUEST) - WHEN_THINGS_BREAK
    assert not unused, f"granted and never used: {', '.join(map(str, sorted(unused)))}"
    needless = set(WITHOUT_REQUEST) & set(every)
    assert not needless, f"used after all, no exception is needed: {needless}"
