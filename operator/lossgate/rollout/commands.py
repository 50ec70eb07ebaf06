"""People's commands: each is carried out once or refused once, with words, and never hits another revision."""

from __future__ import annotations

from lossgate.api.commands import Command, Outcome, Verb
from lossgate.api.reasons import EventReason, Phase, Reason
from lossgate.api.status import LastCommand
from lossgate.rollout import history, promotion, returning, rollback, steps
from lossgate.rollout.draft import Draft

_AT_REST = (Phase.HEALTHY, Phase.ROLLED_BACK)


def take(draft: Draft) -> bool:
    """Act on the command of the annotation, if it is a new one; return whether it was carried out.

    Nothing else may be decided in the turn that carried one out: what was measured for it belongs to the time before.
    """
    command, last = draft.snapshot.command, draft.status.last_command
    if command is None or (last is not None and last.text == command.text):
        return False
    refusal = _malformed(command) or _stale(draft, command) or _wrong_moment(draft, command)
    if refusal is not None:
        _remember(draft, command, Outcome.REFUSED, refusal)
        draft.tell(EventReason.COMMAND_REFUSED, f"{command.text}: {refusal}", warning=True)
        return False
    done = _obey(draft, command)
    _remember(draft, command, Outcome.OBEYED, done)
    draft.tell(EventReason.COMMAND_OBEYED, f"{command.text}: {done}")
    return True


def _remember(draft: Draft, command: Command, outcome: Outcome, message: str) -> None:
    draft.set(last_command=LastCommand(text=command.text, time=draft.now, outcome=outcome, message=message))


def _malformed(command: Command) -> str | None:
    if command.verb is None:
        return f"the first word must be one of {', '.join(Verb)}, the second the revision."
    if not command.revision:
        return f"name the revision that it is about, as in: {command.verb} digits-84b1c0de."
    return None


def _stale(draft: Draft, command: Command) -> str | None:
    """A dump, or a tool that restores annotations, must not give an old command once more."""
    if draft.status.phase is Phase.INITIALIZING:
        return "the first version is not serving yet, and a command that comes with a new object is not carried out."
    last = Command.parse(draft.status.last_command.text) if draft.status.last_command else None
    if last is not None and last.given is not None and command.given is not None and command.given < last.given:
        return f"it is older than the last command ({last.text}); give it again if it is meant."
    return None


def _wrong_moment(draft: Draft, command: Command) -> str | None:
    """Return why a command cannot be carried out now, or None if it can."""
    match command.verb:
        case Verb.RETRY:
            return _no_retry(draft, command.revision)
        case Verb.ROLLBACK:
            return _no_rollback(draft, command.revision)
        case Verb.ABORT if draft.status.returning is not None:
            return _not_in_the_way_back(draft, command.revision)
        case Verb.ABORT if draft.status.phase is Phase.PROMOTING:
            return _not_the_canary(draft, command) or _no_way_back(draft)
        case Verb.PROMOTE | Verb.ABORT:
            return _not_judged(draft) or _not_the_canary(draft, command)
        case Verb.PAUSE:
            return _not_judged(draft) or _not_the_canary(draft, command) or _no_pause(draft)
        case _:
            return _not_judged(draft) or _not_the_canary(draft, command) or _no_resume(draft)


def _not_judged(draft: Draft) -> str | None:
    status = draft.status
    match status.phase:
        case Phase.HEALTHY:
            return f"no rollout is in flight; {draft.stable.model_version} serves everything."
        case Phase.ROLLED_BACK:
            return f"{draft.canary.model_version} was rolled back and gets no requests; retry tries it again."
        case Phase.ROLLING_BACK if status.returning is not None:
            return f"the rollout is going back to {draft.canary.model_version}; abort stays with what serves."
        case Phase.ROLLING_BACK:
            return f"{draft.canary.model_version} is being rolled back; retry tries it again afterwards."
        case Phase.PROMOTING:
            return f"{draft.canary.model_version} is being promoted; abort takes it back."
    return None


def _not_the_canary(draft: Draft, command: Command) -> str | None:
    canary, target = draft.canary, draft.snapshot.target
    if command.revision != canary.revision:
        return f"the canary is {canary.revision} ({canary.model_version}), not {command.revision}."
    if target != canary.revision:
        return f"the spec asks for {target} now, and {canary.revision} is on its way out."
    return None


def _no_pause(draft: Draft) -> str | None:
    pause = draft.status.pause
    if pause is not None and pause.reason is Reason.INCONCLUSIVE:
        return "it is paused already, as inconclusive; resume, promote or abort it."
    if draft.status.paused_by is not None:
        return f"it is paused already, by: {draft.status.paused_by}."
    return None


def _no_resume(draft: Draft) -> str | None:
    if draft.status.phase is not Phase.PAUSED:
        return "it is not paused."
    if draft.snapshot.spec.paused:
        also = " then give this command again, as a command paused it as well" if draft.status.paused_by else ""
        return f"spec.paused is true; set it to false{',' if also else ' to go on'}{also}."
    return None


def _no_retry(draft: Draft, revision: str) -> str | None:
    status, target = draft.status, draft.snapshot.target
    if status.phase not in _AT_REST:
        return f"a rollout is in flight ({status.phase}); retry is for a revision that was rolled back."
    if revision != target:
        return f"the spec asks for {target}, not {revision}; only what the spec asks for can be retried."
    if target == draft.stable.revision:
        return f"{revision} serves already."
    if not history.was_rolled_back(status, target):
        return f"{revision} was not rolled back."
    return None


def _no_rollback(draft: Draft, revision: str) -> str | None:
    status = draft.status
    if status.phase not in _AT_REST:
        return f"a rollout is in flight ({status.phase}); abort it, or wait until it is promoted, and give this again."
    if revision != draft.stable.revision:
        return f"{draft.stable.revision} ({draft.stable.model_version}) serves, not {revision}."
    if status.previous is None:
        return "no version was replaced yet, so there is none to go back to."
    if draft.snapshot.deployment(status.previous.revision) is None:
        return f"the Deployment {status.previous.revision} is gone; edit the spec to bring that version in again."
    return None


def _no_way_back(draft: Draft) -> str | None:
    if not promotion.is_committed(draft) or promotion.may_go_back(draft):
        return None
    return f"everything is routed to {draft.canary.model_version} and no pod of {draft.stable.model_version} is ready."


def _not_in_the_way_back(draft: Draft, revision: str) -> str | None:
    canary = draft.canary
    if revision != canary.revision:
        return f"the rollout is going back to {canary.revision} ({canary.model_version}), not to {revision}."
    if promotion.is_committed(draft):
        return f"everything is routed to {canary.model_version} already; once that is done, rollback leads back."
    return None


def _obey(draft: Draft, command: Command) -> str:
    match command.verb:
        case Verb.PROMOTE:
            return steps.promote_without_proof(draft)
        case Verb.ABORT if draft.status.returning is not None:
            return returning.give_up(draft, "the way back was called off")
        case Verb.ABORT:
            rollback.start(draft, Reason.ABORTED, "A person aborted the rollout.")
            return f"{draft.canary.model_version} gets no more requests; retry tries it again."
        case Verb.RETRY:
            steps.start(draft)
            return f"{draft.canary.model_version} is tried afresh, with a new baseline and a new risk budget."
        case Verb.PAUSE:
            return steps.pause_by(draft, command.text)
        case Verb.RESUME:
            return steps.resume_by_order(draft)
        case _:
            return f"{returning.start(draft)}."
