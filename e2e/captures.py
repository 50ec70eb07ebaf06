"""What a person sees on a terminal during a rollout, kept in the folder that LOSSGATE_CAPTURES names, if it does."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

__all__ = ["COLUMNS", "capture"]

COLUMNS = 100
_FOLDER = "LOSSGATE_CAPTURES"


def capture(name: str, *command: str) -> None:
    """Run a command on a terminal of 100 columns and keep what it shows as `<name>.txt`; nothing without a folder."""
    folder = os.environ.get(_FOLDER)
    if not folder:
        return
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    entered = [sys.executable, "-m", "e2e.cluster", "exec", "--", *command]
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(entered, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        shown = _read_to_end(master)
    text = shown.decode(errors="replace").replace("\r\n", "\n")
    Path(folder).mkdir(parents=True, exist_ok=True)
    outcome = "" if process.returncode == 0 else f"(exit status {process.returncode})\n"
    (Path(folder) / f"{name}.txt").write_text(f"$ {' '.join(command)}\n{text}{outcome}")


def _read_to_end(master: int) -> bytes:
    shown = b""
    try:
        while block := os.read(master, 65536):
            shown += block
    except OSError:  # How Linux says that the other end is closed.
        pass
    finally:
        os.close(master)
    return shown
