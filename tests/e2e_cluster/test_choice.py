"""Which cluster is used."""

import dataclasses

import pytest

from e2e.cluster.choice import Kind, Machine, choose
from e2e.cluster.command import ClusterError

BARE = Machine(kubeconfig=None, context=None, docker_answers=False, kind_installed=False, root=False, debian=False)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"kubeconfig": "/some/config"}, Kind.EXISTING),
        ({"context": "staging"}, Kind.EXISTING),
        ({"context": "staging", "docker_answers": True, "kind_installed": True}, Kind.EXISTING),
        ({"docker_answers": True, "kind_installed": True, "root": True, "debian": True}, Kind.KIND),
        ({"docker_answers": True, "root": True, "debian": True}, Kind.LOCAL),
        ({"root": True, "debian": True}, Kind.LOCAL),
    ],
)
def test_a_given_cluster_comes_before_kind_and_kind_before_local(facts: dict[str, str | bool], expected: Kind) -> None:
    assert choose(dataclasses.replace(BARE, **facts)) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "no Docker engine answers"),
        ({"root": True}, "needs root on Debian"),
        ({"debian": True}, "needs root on Debian"),
        ({"docker_answers": True}, "`kind` is not installed"),
    ],
)
def test_where_none_is_possible_it_says_why_and_all_three_ways_out(facts: dict[str, bool], reason: str) -> None:
    with pytest.raises(ClusterError, match=reason) as refusal:
        choose(dataclasses.replace(BARE, **facts))  # type: ignore[arg-type]
    assert all(way_out in str(refusal.value) for way_out in ("KUBECONFIG", "install kind", "as root on Debian"))
