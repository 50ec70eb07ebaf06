"""`python -m e2e.demo`: from nothing to three verdicts on a real cluster; exit status 0 only if all are right."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.text import Text

from e2e import images
from e2e.cluster import Cluster, ClusterError, ensure
from e2e.cluster.cache import cache_folder
from e2e.cluster.existing import ExistingCluster
from e2e.demo import report
from e2e.demo.acts import ACTS, FIRST_VERSION
from e2e.demo.footprint import resident_bytes
from e2e.demo.outcome import Outcome, differences
from e2e.demo.play import Player
from e2e.demo.recording import Recording, Take
from e2e.demo.screen import Screen
from e2e.installation import Installation
from e2e.stage import OPERATOR_NAMESPACE, Stage
from lossgate.api.spec import RolloutSpec

NAMESPACE = "demo"
_RECORDING = Path(__file__).parents[2] / "build" / "demo.json"
_CHAPTERS_BEFORE_ACTS = 4

_LOOK_AROUND = f"""\
Look around, without traffic now: make cluster-shell, and in it
  kubectl -n {NAMESPACE} get mr -o wide
  kubectl -n {NAMESPACE} describe mr digits
  kubectl -n {NAMESPACE} get events --field-selector involvedObject.kind=ModelRollout
  kubectl -n {OPERATOR_NAMESPACE} logs deployment/lossgate
Try another version, with traffic:
  kubectl -n {NAMESPACE} scale deployment/digits-client --replicas=1
  kubectl -n {NAMESPACE} patch mr digits --type=merge -p '{{"spec":{{"model":{{"version":"v1"}}}}}}'
"""


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo", description="Three rollouts on a real cluster.")
    parser.add_argument("--context", help="use this context of your kubeconfig instead of a cluster made here")
    context: str | None = parser.parse_args().context
    # Ended by a supervisor: clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen = Screen(chapters=_CHAPTERS_BEFORE_ACTS + len(ACTS))
    try:
        with screen:
            return _run(screen, context)
    except (ClusterError, AssertionError) as error:
        screen.show(Text(f"The demo failed: {error}", style="red"))
        screen.show("What runs stays, to be looked at by `make cluster-shell`; `make cluster-down` removes it.")
        return 1
    except KeyboardInterrupt:
        screen.show("Interrupted. What runs stays; `make cluster-down` removes it.")
        return 130


def _run(screen: Screen, context: str | None) -> int:
    screen.chapter("Cluster: Kubernetes, Envoy Gateway, Prometheus")
    cluster = ensure(screen, context=context)
    screen.chapter("Images of the operator and of the model server")
    loaded = images.load(cluster)
    screen.chapter("The operator, by its Helm chart")
    # The tag stays the same when the image changes: the annotation makes the pod follow.
    Installation(cluster, loaded.operator).install()
    stage = Stage(cluster, NAMESPACE, model_image=loaded.model.name)
    player = Player(stage, screen)
    screen.chapter(f"{FIRST_VERSION} serves, a client asks 250 times a second")
    player.open()
    outcomes, takes = _play(player, screen)
    rss_bytes = resident_bytes(cluster)
    player.close()
    _record(stage, takes)
    screen.show(report.table(outcomes, rss_bytes))
    return _conclude(screen, stage, outcomes)


def _play(player: Player, screen: Screen) -> tuple[list[Outcome], list[Take]]:
    outcomes, takes = [], []
    for act in ACTS:
        screen.chapter(f"{act.version}: {act.character}")
        outcome, take = player.play(act)
        outcomes.append(outcome)
        takes.append(take)
    return outcomes, takes


def _record(stage: Stage, takes: list[Take]) -> None:
    spec = RolloutSpec.model_validate(stage.rollout(FIRST_VERSION)["spec"])
    # The demo's margin is relative, so that the stable loss does not matter.
    step_margins = [spec.step_margin(index, 1.0) for index in range(len(spec.steps))]
    Recording(spec.gate.harm_margin, step_margins, takes).write(_RECORDING)


def _removal(cluster: Cluster) -> str:
    if isinstance(cluster, ExistingCluster):
        return (
            f"Remove what the demo put into your cluster: kubectl delete namespace {NAMESPACE};"
            f" helm uninstall lossgate -n {OPERATOR_NAMESPACE}"
        )
    return f"Remove everything: make cluster-down, and for what was downloaded and built rm -r {cache_folder()}"


def _conclude(screen: Screen, stage: Stage, outcomes: list[Outcome]) -> int:
    wrong = [difference for outcome in outcomes for difference in differences(outcome)]
    screen.show(Text(_LOOK_AROUND, no_wrap=True))
    screen.show(Text(_removal(stage.cluster)))
    if wrong:
        screen.show(Text(f"\n{stage.story()}\n"))
        for difference in wrong:
            screen.show(Text(f"Not as it must be: {difference}.", style="red"))
        return 1
    screen.show(Text(f"\nAll ended as they must, in {screen.elapsed_seconds:.0f} s.", style="bold green"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
