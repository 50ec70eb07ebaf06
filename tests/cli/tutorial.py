"""A tutorial as a list of what it has its reader do: save programs, run commands, see output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block."""

    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks in their order."""
    return [Block(match["language"], match["text"]) for match in BLOCK.finditer(document.read_text())]


def save(program: Block, folder: Path) -> Path:
    """Save a program under the name in its first line."""
    path = folder / program.text.split()[1]
    path.write_text(program.text)
    return path


def run(commands: Block, folder: Path) -> str:
    """Return what the commands print, with the programs of this environment first on the path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", commands.text],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
