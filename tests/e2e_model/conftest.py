"""The trained models, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.model import train


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the weights of all versions and the test images."""
    directory = tmp_path_factory.mktemp("models")
    train.write(directory)
    return directory
