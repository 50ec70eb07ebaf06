"""Which cluster to use."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .command import ClusterError

__all__ = ["Kind", "Machine", "choose"]


class Kind(enum.Enum):
    """Where the cluster comes from."""

    EXISTING = "existing"
    KIND = "kind"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the choice depends on.

    Attributes:
        kubeconfig: The value of KUBECONFIG, if any.
        context: The context asked for, if any.
        docker_answers: Whether a Docker engine answers.
        kind_installed: Whether the kind program is there.
        root: Whether this process may do everything.
        debian: Whether packages can be installed with apt-get.
    """

    kubeconfig: str | None
    context: str | None
    docker_answers: bool
    kind_installed: bool
    root: bool
    debian: bool


def choose(machine: Machine) -> Kind:
    """Return the cluster to use: the one given, else kind where Docker answers, else one made of processes here.

    Raises:
        ClusterError: None of the three is possible; says what to do.
    """
    if machine.kubeconfig or machine.context:
        return Kind.EXISTING
    if machine.docker_answers and machine.kind_installed:
        return Kind.KIND
    if machine.root and machine.debian:
        return Kind.LOCAL
    missing = (
        "a Docker engine answers, but the program `kind` is not installed"
        if machine.docker_answers
        else "no Docker engine answers, and the local cluster needs root on Debian"
    )
    raise ClusterError(
        f"No cluster can be had here: {missing}. Do one of these:\n"
        "  - set KUBECONFIG (or --context) to use a cluster that you have;\n"
        "  - start Docker and install kind: a throw-away kind cluster is used;\n"
        "  - run this as root on Debian or Ubuntu: a cluster is built and run in namespaces of its own."
    )
