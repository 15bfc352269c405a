"""The final form of an image: defaults filled in, local paths as path objects. Knows no nodes."""

import os
import sys
from typing import TYPE_CHECKING, Any, Dict, Optional

from .errors import refusal
from .paths import WORKDIR, Mark, Path, container_map, git_root

if TYPE_CHECKING:
    from .image import Image

KEYS = (
    "name",
    "image",
    "dockerfile",
    "dockerfile_text",
    "docker_build_args",
    "docker_auto_workdir",
    "context",
    "copy_repo",
    "copy_dir",
    "copy_url",
    "copy_branch",
    "install_pip",
    "install_npm",
    "install_packages",
    "install_docker",
    "path_map",
    "shell",
)
"""The keys of an image in a serialization."""


def finalize(image: "Image") -> Dict[str, Any]:
    """Returns the final form. Raises ValueError for keywords that do not go together."""
    check(image)
    final: Dict[str, Any] = {key: getattr(image, key) for key in KEYS}
    if not (image.image or image.dockerfile or image.dockerfile_text):
        final["image"] = "python:{}.{}-slim".format(*sys.version_info[:2])
        final["install_pip"] = image.install_pip or ["conducto"]

    mark: Mark = {}
    if image.copy_branch:
        mark["branch"] = image.copy_branch
    root = _repository(image) if image.copy_repo else None
    origin = _origin(image, root) if root is not None else image.copy_url
    # Files that are cloned are known by where they come from; those of this checkout only as a whole.
    if origin and (image.copy_branch or image.copy_url):
        mark["url"] = origin

    if image.dockerfile is not None:
        final["dockerfile"] = _place(image, image.dockerfile, mark).as_object()
    if image.context is not None:
        final["context"] = _place(image, image.context, mark).as_object()
    elif image.dockerfile is not None:
        final["context"] = _context(image, os.path.dirname(image.dockerfile), mark).as_object()

    path_map: Dict[str, str] = {}
    for local, inside in (image.path_map or {}).items():
        path_map[_place(image, local, mark).linear()] = inside
    if root is not None:
        place = Path.from_localhost(root, dict(mark, url=str(origin)))
        if image.copy_branch:
            final["copy_url"] = origin
        else:
            final["copy_dir"] = place.as_object()
        path_map[place.linear()] = WORKDIR
        if image.context is None:
            final["context"] = place.as_object()
    if image.copy_dir is not None and (root is None or image.copy_branch):
        place = _place(image, image.copy_dir, mark)
        final["copy_dir"] = place.as_object()
        path_map[place.linear()] = WORKDIR
    final["path_map"] = path_map or None

    return final


def check(image: "Image") -> None:
    """Raises ValueError for keywords that exclude or need each other."""
    bases = [key for key in ("image", "dockerfile", "dockerfile_text") if getattr(image, key)]
    if len(bases) > 1:
        raise _refused(image, "must specify at most 1 of {}".format(", ".join(bases)), "keep the one that is meant")
    if image.copy_dir and image.copy_url:
        raise _refused(
            image, "must not specify copy_dir and copy_url together", "copy_dir is for local files, copy_url for others"
        )
    if image.copy_url and image.copy_url.startswith("s3://"):
        if image.copy_branch:
            raise _refused(image, "an s3 copy_url must not have a copy_branch", "leave copy_branch out")
    elif image.copy_url and not image.copy_branch:
        raise _refused(image, "copy_url must have a copy_branch", 'add copy_branch="main"')


def _refused(image: "Image", what: str, help: str) -> ValueError:
    return refusal(ValueError, "image {}: {}".format(image.name, what), help=help, where=image.position)


def _place(image: "Image", path: str, mark: Optional[Mark] = None) -> Path:
    return Path.from_localhost(os.path.join(image.instantiation_directory, path), mark)


def _context(image: "Image", folder: str, mark: Mark) -> Path:
    """Returns the folder of a Dockerfile; the old client leaves marks out here where `CONDUCTO_PATH_MAP` gave them."""
    place = _place(image, folder, mark)
    return Path(part for part in place.components if isinstance(part, str)) if container_map() else place


def _repository(image: "Image") -> str:
    root = git_root(os.path.realpath(image.instantiation_directory))
    if root is None:
        raise _refused(
            image,
            "copy_repo needs a Git repository, and {} is in none".format(image.instantiation_directory),
            'copy the folder with copy_dir="." instead',
        )
    return root


def _origin(image: "Image", root: str) -> str:
    """Returns the address of a repository, without asking Git: containers rarely have it."""
    for mark in Path.from_localhost(root).git_marks():
        if "url" in mark:
            return mark["url"]
    url = _configured_origin(root) or os.environ.get("CONDUCTO_GIT_URL")
    if not url:
        raise _refused(
            image,
            "copy_repo needs to know where the repository {} comes from".format(root),
            "add a remote: git remote add origin <url>",
        )
    return url


def _configured_origin(root: str) -> Optional[str]:
    import configparser

    folder = os.path.join(root, ".git")
    if os.path.isfile(folder):  # a working tree of another checkout, or a submodule
        with open(folder, encoding="utf-8") as file:
            folder = os.path.join(root, file.read().strip().split(" ", 1)[-1])
        common = os.path.join(folder, "commondir")
        if os.path.isfile(common):
            with open(common, encoding="utf-8") as file:
                folder = os.path.join(folder, file.read().strip())
    config = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        with open(os.path.join(folder, "config"), encoding="utf-8") as file:
            config.read_string("\n".join(line.strip() for line in file))
    except (OSError, configparser.Error):
        return None
    return config.get('remote "origin"', "url", fallback=None)
