"""What the exit status says, and that nothing else says it: a crash must not look like a verdict."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import click

from lossgate.stats import Verdict


class Status(IntEnum):
    """Exit statuses of the commands that answer a question."""

    NON_INFERIOR = 0
    DONE = 0
    """The same number, for commands that judge nothing."""
    HARM = 1
    INCONCLUSIVE = 2
    """Also Hold; for a plan, that a step cannot conclude in time."""
    REFUSED = 3
    """The operator refused the command, or there is nothing that it could be about."""
    UNANSWERED = 4
    """Nobody acted on the command in time, or another one took its place."""
    DECLINED = 5
    """The person at the terminal said no; nothing was sent."""
    USAGE = 64
    """EX_USAGE of sysexits.h: wrong use or bad data."""
    UNAVAILABLE = 69
    """EX_UNAVAILABLE: the API server did not answer, or said no."""
    CRASHED = 70
    """EX_SOFTWARE: a defect of this program."""
    INTERRUPTED = 130
    PIPE_CLOSED = 141

    @classmethod
    def of(cls, verdict: Verdict) -> Status:
        """Return what a replay that ends with this verdict exits with."""
        return {Verdict.NON_INFERIOR: cls.NON_INFERIOR, Verdict.HARM: cls.HARM}.get(verdict, cls.INCONCLUSIVE)


class BadData(click.ClickException):
    """The input cannot be used; the message says where and what to do."""

    exit_code = Status.USAGE


class Unavailable(click.ClickException):
    """The cluster cannot be asked; the message says what is missing."""

    exit_code = Status.UNAVAILABLE


class Program(click.Group):
    """A group whose usage errors, and those of its commands, exit with 64: click's own 2 is a verdict here."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the group's own arguments."""
        with _usage_status():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the arguments of the command named, and run it."""
        with _usage_status():
            return super().invoke(ctx)


class Question(click.Command):
    """A command whose exit status is an answer, so that a crash, Ctrl-C or a closed pipe has another one."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
            return answer
        except BrokenPipeError:
            # What is still in the buffer would fail once more when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(Status.PIPE_CLOSED)
        except KeyboardInterrupt:
            ctx.exit(Status.INTERRUPTED)
        except click.Abort:  # Ctrl-C or the end of input at a question
            ctx.exit(Status.INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception:  # whatever it was: Python would end with 1, which says Harm
            traceback.print_exc()
            ctx.exit(Status.CRASHED)


@contextmanager
def _usage_status() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise click.exceptions.Exit(Status.USAGE) from None
