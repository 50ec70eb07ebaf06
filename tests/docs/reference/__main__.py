"""Writes the reference pages: `python -m tests.docs.reference docs/reference`.

`refused.md` holds the words of a real API server, which is started for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import rollouts
from tests.api import refusals
from tests.api.test_admission import REFUSED, refused
from tests.apiserver import ApiServer, programs_folder, serve_crd
from tests.docs.reference.pages import PAGES


def main(folder: Path) -> None:
    """Write every page into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
    (folder / refusals.PAGE.name).write_text(_refusals(), encoding="utf-8")


def _refusals() -> str:
    with TemporaryDirectory() as place:
        server = ApiServer(programs_folder(), Path(place))
        try:
            server.start()
            serve_crd(server)
            answers = [(changes, refused(server, rollouts.changed(changes))) for changes, _, _ in REFUSED]
        finally:
            server.stop()
    return refusals.page(refusals.row(changes, answer) for changes, answer in answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
