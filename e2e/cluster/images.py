"""Container images from ordinary Dockerfiles, built without a registry where there is no Docker."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import base
from .binaries import Programs
from .cache import cache_folder, content_key, files_below, locked
from .command import ClusterError, run
from .progress import Progress

__all__ = ["Buildah", "Docker", "Image", "ImageBuilder", "copied_paths", "docker_answers"]

_RECIPES = Path(__file__).parent / "images"
_BASE_TAG = "localhost/python-base:e2e"
_BUILD_SECONDS = 1800.0
# Mounted while building, where this machine has them, so that pip works behind a company's mirror; none stays inside.
_MACHINE_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
# Layers get one fixed time, so that the same inputs give the same image.
_LAYER_TIME = "946684800"


@dataclass(frozen=True, slots=True)
class Image:
    """A built image.

    Attributes:
        tag: Its full name, as pods refer to it.
        archive: The file that holds it.
        key: Changes when, and only when, something that it is built from changes.
    """

    tag: str
    archive: Path
    key: str


def docker_answers() -> bool:
    """Return whether a Docker engine answers here."""
    if shutil.which("docker") is None:
        return False
    try:
        run(["docker", "info", "--format", "{{.ServerVersion}}"], timeout_seconds=20)
    except ClusterError:
        return False
    return True


def copied_paths(dockerfile: str) -> list[str]:
    """Return the paths of the build context that a Dockerfile's COPY and ADD instructions name.

    Raises:
        ClusterError: A form that cannot be read with certainty: JSON, variables, here-documents.
    """
    paths: list[str] = []
    for line in re.sub(r"\\\n", " ", dockerfile).splitlines():
        instruction, *words = line.split() or [""]
        flags = [word for word in words if word.startswith("--")]
        if instruction.upper() not in ("COPY", "ADD") or any(flag.startswith("--from=") for flag in flags):
            continue
        sources = [word for word in words if word not in flags][:-1]
        if unclear := [source for source in sources if re.search(r"[$*?\[\"<]", source)]:
            raise ClusterError(f"`{line.strip()}`: {unclear[0]} is no plain path; name the files or folders one by one")
        paths += sources
    return paths


class ImageBuilder:
    """Builds images and keeps them as archives, until something they are built from changes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._archives = cache_folder() / "images"
        self._archives.mkdir(exist_ok=True)

    def build(self, context: Path, dockerfile: Path, tag: str) -> Image:
        """Return the image that `dockerfile` makes of the folder `context`, at once if nothing changed.

        Args:
            context: The build context.
            dockerfile: Its COPY and ADD instructions name plain files or folders.
            tag: The full name, such as `localhost/lossgate:dev`.

        Raises:
            ClusterError: The build failed; carries the end of its output.
        """
        sources = [context / path for path in copied_paths(dockerfile.read_text())]
        if missing := [source for source in sources if not source.exists()]:
            raise ClusterError(f"{dockerfile} copies {missing[0]}, which does not exist")
        sources += [file for file in [context / ".dockerignore"] if file.exists()]
        arguments = self._base_arguments()
        facts = [tag, dockerfile.read_text(), *arguments.values()]
        key = content_key(context, [file for source in sources for file in files_below(source)], *facts)
        return self._kept(tag, key, lambda archive: self._make(context, dockerfile, tag, arguments, archive))

    def push(self, image: Image, name: str) -> str:
        """Push an image that was built here to a registry, and return the name under which it is there.

        Raises:
            ClusterError: The registry does not take it.
        """
        raise NotImplementedError

    def _kept(self, tag: str, key: str, make: Callable[[Path], None]) -> Image:
        stem = re.sub(r"[^a-z0-9.]+", "-", tag)
        image = Image(tag, self._archives / f"{stem}-{key}.tar", key)
        with locked("images"):
            if not image.archive.exists():
                self._progress.say(f"building image {tag}")
                unfinished = image.archive.with_suffix(".unfinished")
                unfinished.unlink(missing_ok=True)
                make(unfinished)
                for older in self._archives.glob(f"{stem}-*.tar"):
                    older.unlink()
                unfinished.rename(image.archive)
        return image

    def _base_arguments(self) -> Mapping[str, str]:
        raise NotImplementedError

    def _make(self, context: Path, dockerfile: Path, tag: str, arguments: Mapping[str, str], archive: Path) -> None:
        raise NotImplementedError


class Docker(ImageBuilder):
    """Builds with a Docker engine, from the public base images."""

    def push(self, image: Image, name: str) -> str:
        """Push through the Docker engine, with its credentials."""
        run(["docker", "load", "-i", image.archive])
        run(["docker", "tag", image.tag, name])
        run(["docker", "push", name], timeout_seconds=_BUILD_SECONDS)
        return name

    def _base_arguments(self) -> Mapping[str, str]:
        return {}

    def _make(self, context: Path, dockerfile: Path, tag: str, arguments: Mapping[str, str], archive: Path) -> None:
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        run(["docker", "build", *options, "-f", dockerfile, "-t", tag, context], timeout_seconds=_BUILD_SECONDS)
        run(["docker", "save", "-o", archive, tag])


class Buildah(ImageBuilder):
    """Builds with buildah as root, on a base made of this machine's Debian archive; everything stays in the cache."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        storage = cache_folder() / "buildah"
        self._buildah = ["buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run")]

    def base(self) -> Image:
        """Return the base image, Debian with Python, for pods that need no more than that."""
        dockerfile = _RECIPES / "base.Dockerfile"

        def make(archive: Path) -> None:
            context = cache_folder() / "base"
            context.mkdir(exist_ok=True)
            base.make_root_archive(context / "base.tar")
            self._make(context, dockerfile, _BASE_TAG, {}, archive)
            shutil.rmtree(context)

        return self._kept(_BASE_TAG, content_key(_RECIPES, [dockerfile], base.RECIPE), make)

    def envoy(self) -> Image:
        """Return the image of the Envoy proxy."""
        return self.build(_RECIPES, _RECIPES / "envoy.Dockerfile", "localhost/envoy:e2e")

    def push(self, image: Image, name: str) -> str:
        """Push with the credentials of `buildah login`."""
        run([*self._buildah, "push", image.tag, f"docker://{name}"], timeout_seconds=_BUILD_SECONDS)
        return name

    def program(self, programs: Programs, name: str) -> Image:
        """Return the image that holds one of the static programs and nothing else."""
        folder = programs.prometheus if name == "prometheus" else programs.kube
        dockerfile, tag = _RECIPES / f"{name}.Dockerfile", f"localhost/{name}:e2e"
        # The folder's name says what is in it; reading hundreds of megabytes would say no more.
        key = content_key(_RECIPES, [dockerfile], folder.name)
        return self._kept(tag, key, lambda archive: self._make(folder, dockerfile, tag, {}, archive))

    def _base_arguments(self) -> Mapping[str, str]:
        return {"BASE": f"docker-archive:{self.base().archive}"}

    def _make(self, context: Path, dockerfile: Path, tag: str, arguments: Mapping[str, str], archive: Path) -> None:
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--volume={file}:{file}:ro" for file in _MACHINE_FILES if Path(file).exists()]
        run(
            [*self._buildah, "bud", "--layers", "--timestamp", _LAYER_TIME, "--network", "host", *options,
             "-f", dockerfile, "-t", tag, context],
            environment={"BUILDAH_ISOLATION": "chroot"},
            timeout_seconds=_BUILD_SECONDS,
        )  # fmt: skip
        # Not packed, unlike an OCI archive: it is read on this machine only, where time is scarcer than room.
        run([*self._buildah, "push", tag, f"docker-archive:{archive}:{tag}"])
