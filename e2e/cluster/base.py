"""The root file system that the images stand on where no registry is at hand: Debian with Python."""

from __future__ import annotations

from pathlib import Path

from .command import run
from .packages import debian_mirror

__all__ = ["RECIPE", "make_root_archive"]

_SUITE = "trixie"
_PACKAGES = "python3-minimal,libpython3-stdlib,python3-venv,ca-certificates,netbase,libstdc++6,tzdata"
_HOOKS = (
    # The names that the official Python images have.
    'ln -s ../../bin/python3 "$1/usr/local/bin/python" && ln -s ../../bin/python3 "$1/usr/local/bin/python3"',
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    'rm -rf "$1"/usr/share/perl* "$1"/usr/lib/*/perl* "$1"/usr/lib/*/gconv "$1"/usr/share/doc "$1"/usr/share/man'
    ' "$1"/usr/share/locale "$1"/var/cache/* "$1"/var/lib/apt/lists "$1"/var/log/*',
    # Copied from this machine by mmdebstrap; they do not belong in an image.
    'rm -rf "$1/etc/apt/sources.list" "$1"/etc/apt/sources.list.d/* "$1/etc/resolv.conf" "$1/etc/hostname"'
    ' "$1/etc/hosts"',
)
RECIPE = "\n".join((_SUITE, _PACKAGES, *_HOOKS))
"""All that decides what is in the archive, but for Debian's own updates."""


def make_root_archive(target: Path) -> None:
    """Write the root file system as a tar file to `target`."""
    hooks = [f"--customize-hook={hook}" for hook in _HOOKS]
    run(["mmdebstrap", "--quiet", "--mode=root", "--variant=essential", f"--include={_PACKAGES}", *hooks,
         _SUITE, target, debian_mirror()], timeout_seconds=900)  # fmt: skip
