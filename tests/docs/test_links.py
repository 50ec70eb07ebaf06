"""Every relative link, anchor and picture in the documents resolves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1[`~]*\s*?$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
_NAMED = re.compile(r"<[a-z]+\s[^>]*\b(?:id|name)=\"([^\"]+)\"")
_LINKS = (
    re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\s*\)"),
    re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)", re.MULTILINE),
    re.compile(r"<(?:a|img)\s[^>]*?\b(?:href|src)=\"([^\"]+)\""),
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def targets(text: str) -> Iterator[str]:
    """Yield what links and pictures point to, wherever they are not code."""
    prose = _CODE.sub("", _FENCE.sub("", text))
    for link in _LINKS:
        yield from (match[1] for match in link.finditer(prose))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document, as GitHub makes them of its headings; the second of a kind ends in -1."""
    prose, seen, found = _FENCE.sub("", text), dict[str, int](), set[str](_NAMED.findall(text))
    for heading in _HEADING.findall(prose):
        words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def broken(document: Path) -> list[str]:
    """Return the targets that are not there, each with the reason."""
    found = []
    for target in targets(document.read_text()):
        if _SCHEME.match(target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = document.parent / name if name else document
        if not file.exists():
            found.append(f"{target}: no such file")
        elif anchor and (file.suffix != ".md" or anchor not in anchors(file.read_text())):
            found.append(f"{target}: no such heading")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.relative_to(ROOT).as_posix())
def test_every_link_and_picture_resolves(document: Path) -> None:
    assert broken(document) == []


def test_documents_with_links_are_found() -> None:
    linked = {document.name for document in DOCUMENTS if any(targets(document.read_text()))}
    assert {"README.md", "replay.md", "statistics.md"} <= linked


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a](gone.md)", "gone.md: no such file"),
        ("![a](gone.svg)", "gone.svg: no such file"),
        ("[![a](there.svg)](gone.md)", "gone.md: no such file"),
        ("[two\nlines](gone.md 'title')", "gone.md: no such file"),
        ("[a][b]\n\n[b]: gone.md", "gone.md: no such file"),
        ('<img alt="a" src="gone.svg">', "gone.svg: no such file"),
        ("[a](#gone)", "#gone: no such heading"),
        ("[a](there.md#gone)", "there.md#gone: no such heading"),
        ("[a](there.md#not-a-heading)", "there.md#not-a-heading: no such heading"),
        ("[a](there.svg#part)", "there.svg#part: no such heading"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "there.md").write_text("# Here\n\n```sh\n# not a heading\n```\n")
    (tmp_path / "there.svg").write_text("<svg/>")
    document = tmp_path / "document.md"
    document.write_text(text)
    assert broken(document) == [reason]


def test_what_is_there_is_accepted(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(
        "# 1. The `sum`, and *more* (5 %)\n\n## Again\n\n## Again\n\n"
        "[a](#1-the-sum-and-more-5-) [b](#again) [c](#again-1) [d](document.md#again) [e](.) [f](https://example.com/x#y)\n"
        "`[code](gone.md)`\n\n```text\n[code](gone.md)\n```\n"
    )
    assert broken(document) == []
