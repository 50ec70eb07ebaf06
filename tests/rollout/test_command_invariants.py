"""Whatever people ask for, and whenever: no request is sent to nothing, and nothing is done twice or to another one."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lossgate.api.commands import Command, Outcome, Verb
from lossgate.api.names import Revision
from lossgate.api.reasons import EventReason
from lossgate.rollout.decision import SetWeights, Write
from tests.rollout.situations import SITUATIONS, situation
from tests.rollout.world import World, a_spec


class Guarded(World):
    """A world that looks at every write of a weight."""

    def apply(self, write: Write) -> None:
        if isinstance(write, SetWeights) and self.weights is not None:
            sides = zip(("digits", "digits-canary"), self.weights, (write.stable, write.canary), strict=True)
            for service, before, after in sides:
                pods = self.deployments.get(self.services[service])
                ready = pods.ready_replicas if pods else 0
                assert after <= before or ready > 0, f"{self.weights} -> {write}: no pod behind {service}"
        super().apply(write)


def guarded(name: str) -> Guarded:
    world = situation(name)
    return Guarded(**{field: getattr(world, field) for field in World.__dataclass_fields__})


WAITS = st.integers(1, 25)
VERSIONS = st.sampled_from(["v1", "v2", "v3"])
ACTIONS = st.one_of(
    st.tuples(st.just("command"), st.sampled_from(list(Verb)), VERSIONS),
    st.tuples(st.just("spec"), VERSIONS, st.booleans()),
    st.tuples(st.just("pods"), VERSIONS, st.booleans()),
    st.tuples(st.just("room"), st.sampled_from([1, 2, 99]), st.none()),
    st.tuples(st.just("skip"), VERSIONS, st.booleans()),
)


def revision(world: World, version: str) -> Revision:
    found = [name for name, known in world.versions.items() if known == version]
    return Revision(found[0] if found else "digits-00000000")


def act(world: World, number: int, action: tuple[str, object, object]) -> None:
    kind, what, how = action
    match kind:
        case "command":
            world.command = f"{what} {revision(world, str(how))} {number}"
        case "spec":
            world.edit(a_spec(str(what), paused=how))
        case "pods":
            name = revision(world, str(what))
            (world.broken.discard if how else world.broken.add)(name)
            if name in world.deployments:
                world._resize(world.deployments[name])
        case "room":
            assert isinstance(what, int)
            world.room = what
        case _:
            world.skip_analysis = revision(world, str(what)) if how else None


@settings(max_examples=60)
@example("promoted", [(("pods", "v1", False), 1), (("command", Verb.ROLLBACK, "v2"), 20)])
@example("progressing", [(("room", 1, None), 1), (("command", Verb.PROMOTE, "v2"), 5), (("pods", "v2", False), 20)])
@given(st.sampled_from(SITUATIONS[1:]), st.lists(st.tuples(ACTIONS, WAITS), min_size=1, max_size=8))
def test_no_weight_goes_to_a_version_without_ready_pods(
    name: str, play: list[tuple[tuple[str, object, object], int]]
) -> None:
    world = guarded(name)
    for number, (action, wait) in enumerate(play):
        act(world, number, action)
        for _ in range(wait):
            world.turn()
            world.now += 1
            _keeps_its_books(world)


def _keeps_its_books(world: World) -> None:
    """Two versions share the requests, and no version that is needed is without a Deployment."""
    stable, canary = world.status.stable, world.status.canary
    assert stable is not None
    assert stable.weight + (canary.weight if canary else 0) == 100
    assert stable.revision in world.deployments
    assert canary is None or canary.revision != stable.revision


@settings(max_examples=40)
@given(st.sampled_from(SITUATIONS), st.sampled_from(list(Verb)), VERSIONS, WAITS)
def test_command_is_carried_out_once_or_never(name: str, verb: Verb, version: str, seconds: int) -> None:
    world = situation(name)
    world.command = f"{verb} {revision(world, version)} once"
    for _ in range(seconds):
        world.turn()
        world.now += 1
    told = [e.reason for e in world.events if e.reason in (EventReason.COMMAND_OBEYED, EventReason.COMMAND_REFUSED)]
    assert len(told) == 1
    assert world.status.last_command is not None
    assert world.status.last_command.text == world.command


@settings(max_examples=40)
@given(st.sampled_from(SITUATIONS), st.sampled_from(list(Verb)))
def test_command_for_one_revision_never_acts_on_another(name: str, verb: Verb) -> None:
    """The spec moved on while the command was under way."""
    world = situation(name)
    status = world.status
    about = {version.revision for version in (status.stable, status.canary) if version} | {world.snapshot().target}
    world.edit(a_spec("v9"))
    world.loss_by_version["v9"] = 0.3
    world.run(100)
    canary = world.status.canary
    for number, late in enumerate(sorted(about)):
        if late == (world.status.stable.revision if world.status.stable else None):
            continue
        world.command = f"{verb} {late} {number}"
        world.turn()
        command = Command.parse(world.command)
        assert command is not None
        assert world.status.last_command is not None
        assert world.status.last_command.outcome is Outcome.REFUSED
    assert world.status.canary is not None or canary is None
