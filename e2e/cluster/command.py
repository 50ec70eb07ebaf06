"""Running programs, and the one error that this package raises."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["ClusterError", "run"]

_SHOWN_OUTPUT_LINES = 25


class ClusterError(Exception):
    """Says what went wrong with the cluster, where, and what to do about it."""


def run(
    arguments: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout_seconds: float | None = 600,
) -> str:
    """Run a program to its end and return what it wrote to standard output.

    Args:
        arguments: The program and its arguments.
        stdin: Text given on standard input; nothing if None.
        environment: Variables added to this process's own.
        directory: Where it runs; here if None.
        timeout_seconds: When to give up.

    Raises:
        ClusterError: The program is missing, failed or took too long; carries the end of its output.
    """
    line = shlex.join(str(argument) for argument in arguments)
    try:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            input=stdin or "",
            env={**os.environ, **(environment or {})},
            cwd=directory,
            timeout=timeout_seconds,
            text=True,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"`{line}` could not be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{line}` did not end within {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-_SHOWN_OUTPUT_LINES:])
        raise ClusterError(f"`{line}` failed with exit status {done.returncode}:\n{output}")
    return done.stdout
