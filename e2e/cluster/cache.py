"""The folder that keeps what is costly to make, and the keys that say whether it is still right."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "content_key", "files_below", "locked"]

_KEY_LENGTH = 16
_IGNORED_FOLDERS = {"__pycache__", ".git"}


def cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME/lossgate`, by default `~/.cache/lossgate`; it exists afterwards."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "lossgate"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def files_below(path: Path) -> list[Path]:
    """Return the files at or below `path`, sorted, without compiled Python."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not _IGNORED_FOLDERS.intersection(file.parts) and file.suffix != ".pyc")


def content_key(root: Path, files: Iterable[Path], *facts: str) -> str:
    """Return a short key of the files' names below `root`, modes and contents, and of further facts.

    The same inputs give the same key wherever `root` lies and in whatever order the files come.
    """
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(b"fact\0" + fact.encode() + b"\0")
    for file in sorted(set(files)):
        executable = bool(file.stat().st_mode & 0o100)
        header = f"file\0{file.relative_to(root)}\0{executable}\0{file.stat().st_size}\0"
        digest.update(header.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:_KEY_LENGTH]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock `name`, so that two runs at the same time wait for each other."""
    with (cache_folder() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
