"""The keys that decide whether something is built again."""

from pathlib import Path

import pytest

from e2e.cluster.cache import cache_folder, content_key, files_below


def key(root: Path, *facts: str) -> str:
    return content_key(root, files_below(root), *facts)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    (root / "deep").mkdir(parents=True)
    (root / "go.mod").write_text("module m")
    (root / "deep" / "main.go").write_text("package main")
    return root


def test_the_same_inputs_give_the_same_key_wherever_they_lie(sources: Path, tmp_path: Path) -> None:
    assert key(sources.rename(tmp_path / "moved")) == content_key(
        tmp_path / "moved", reversed(files_below(tmp_path / "moved"))
    )


def test_each_change_of_an_input_gives_another_key(sources: Path) -> None:
    keys = [key(sources), key(sources, "-trimpath"), key(sources, "-trim", "path")]
    (sources / "go.mod").write_text("module n")
    keys.append(key(sources))
    (sources / "go.mod").chmod(0o755)
    keys.append(key(sources))
    (sources / "go.mod").rename(sources / "go.sum")
    keys.append(key(sources))
    assert len(set(keys)) == len(keys)


def test_text_that_moves_from_one_file_to_the_next_gives_another_key(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("xy")
    second.write_text("z")
    before = key(tmp_path)
    first.write_text("x")
    second.write_text("yz")
    assert key(tmp_path) != before


def test_compiled_python_does_not_count(sources: Path) -> None:
    before = key(sources)
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "m.cpython-313.pyc").write_text("compiled")
    (sources / "m.pyc").write_text("compiled")
    assert key(sources) == before


def test_the_cache_lies_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lossgate"
    assert cache_folder().is_dir()
