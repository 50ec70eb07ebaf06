"""People's commands as they are written on an object: one annotation, `<verb> <revision> [anything]`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_TEXT_LENGTH = 512
"""Of an annotation's text this much is read: a status must stay small."""


class Verb(StrEnum):
    """What a person can ask for."""

    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"


class Outcome(StrEnum):
    """What became of a command."""

    OBEYED = "Obeyed"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Command:
    """One command; two are the same if their texts are."""

    text: str
    verb: Verb | None
    """None if the first word is no verb."""
    revision: str
    """The revision that it is about; empty if it names none."""
    given: float | None
    """When it was given (Unix seconds), if its third word is a time with a zone, as the program writes it."""

    @classmethod
    def parse(cls, annotation: str | None) -> Command | None:
        """Return the command that an annotation holds, however wrong; None if there is no text."""
        text = " ".join((annotation or "")[:MAX_TEXT_LENGTH].split())
        if not text:
            return None
        verb, revision, given, *_ = (*text.split(" "), "", "")
        return cls(text, _verb(verb), revision, _unix(given))

    @classmethod
    def of(cls, verb: Verb, revision: str, given: str) -> Command:
        """Return the command to write for a verb, a revision and a time in RFC 3339."""
        return cls(f"{verb} {revision} {given}", verb, revision, _unix(given))


def _verb(word: str) -> Verb | None:
    try:
        return Verb(word)
    except ValueError:
        return None


def _unix(word: str) -> float | None:
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
