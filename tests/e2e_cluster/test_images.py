"""What an image is rebuilt for."""

from pathlib import Path

import pytest

from e2e.cluster.command import ClusterError
from e2e.cluster.images import copied_paths

REPOSITORY = Path(__file__).parents[2]


def test_sources_of_copy_and_add_count_but_not_targets_flags_or_other_stages() -> None:
    dockerfile = """
    ARG BASE=python
    FROM ${BASE} AS build
    COPY operator/requirements.lock /src/
    COPY --chmod=0644 LICENSE \\
         README.md /src/
    add base.tar /
    RUN cp COPY /nowhere
    COPY --from=build /opt/x /opt/x
    """
    assert copied_paths(dockerfile) == ["operator/requirements.lock", "LICENSE", "README.md", "base.tar"]


@pytest.mark.parametrize("source", ["${NAME}", "*.py", "<<EOF", '["a",'])
def test_what_cannot_be_read_with_certainty_is_refused(source: str) -> None:
    with pytest.raises(ClusterError, match="no plain path"):
        copied_paths(f"COPY {source} /target")


@pytest.mark.parametrize("dockerfile", ["operator/Dockerfile", "e2e/model/Dockerfile"])
def test_the_project_s_dockerfiles_copy_what_is_there(dockerfile: str) -> None:
    paths = copied_paths((REPOSITORY / dockerfile).read_text())
    assert paths
    assert all((REPOSITORY / path).exists() for path in paths)
