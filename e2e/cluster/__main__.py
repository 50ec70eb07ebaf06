"""Command line: `python -m e2e.cluster up | down | status | images | shell | exec -- COMMAND`."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from e2e import images

from . import Cluster, ClusterError, ensure, find, remove
from .progress import Progress


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster", description="The cluster for tests and the demo.")
    parser.add_argument("--context", help="use this context of your kubeconfig instead of a cluster made here")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cluster, or find that it runs")
    commands.add_parser("down", help="remove the cluster")
    commands.add_parser("status", help="say how to reach the cluster and what runs in it")
    commands.add_parser("images", help="build the project's images and give them to the cluster's nodes")
    commands.add_parser("shell", help="open a shell from which the cluster is reached")
    execute = commands.add_parser("exec", help="run a command from which the cluster is reached")
    execute.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    options = parser.parse_args()
    # Ended by a supervisor: clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run(options)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    progress = Progress()
    context: str | None = options.context
    match options.command:
        case "up":
            ensure(progress, context=context)
        case "down":
            remove(progress, context=context)
        case "status":
            _show(_running(progress, context))
        case "images":
            loaded = images.load(_running(progress, context))
            progress.say(f"{loaded.operator.name} and {loaded.model.name} are on the nodes")
        case "shell":
            return _running(progress, context).exec([os.environ.get("SHELL", "/bin/sh")])
        case "exec":
            arguments: list[str] = options.arguments
            return _running(progress, context).exec(arguments[1:] if arguments[:1] == ["--"] else arguments)
    return 0


def _running(progress: Progress, context: str | None) -> Cluster:
    if cluster := find(progress, context=context):
        return cluster
    raise ClusterError("The cluster does not run, or is not the one that this code makes: `python -m e2e.cluster up`.")


def _show(cluster: Cluster) -> None:
    print(
        f"kubeconfig  {cluster.kubeconfig}\naudit log   {cluster.audit_log}\ngateway     {cluster.gateway_address()}\n"
    )
    print(cluster.kubectl("get", "nodes"))
    print(cluster.kubectl("get", "pods", "--all-namespaces"))


if __name__ == "__main__":
    sys.exit(main())
