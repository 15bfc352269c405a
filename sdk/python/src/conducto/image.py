"""Images: what a node's container is made from.

>>> Image("busybox") == Image("busybox"), Image("busybox") == Image("debian")
(True, False)
>>> Image("busybox").name == Image("busybox").name    # the same definition has the same name, in every run
True
"""

import os
import re
from typing import Any, Dict, List, Mapping, Optional, Union

from . import callsite, image_form
from .errors import refusal

_DROPPED = frozenset(("pre_built", "git_sha"))
"""Keywords of clients before 0.1.28; they have no effect."""


class Image:
    """A container image, and what is added to it: packages first, then files.

    At most one of `image`, `dockerfile` and `dockerfile_text` is the base; without any it is `python:X.Y-slim` of the
    Python that runs this. Relative paths begin at the folder of the file that calls.

    * `image`: reference of an image, such as `"debian:12"`.
    * `dockerfile`, `dockerfile_text`: a Dockerfile to build, as a path or as text; `context` is its folder unless given;
      `docker_build_args` are its `ARG`s.
    * `install_pip`, `install_npm`, `install_packages`: lists of requirements; `install_npm=True` is plain `npm i`.
      `reqs_py`, `reqs_npm` and `reqs_packages` are older names of the same.
    * `install_docker`: whether a Docker client is added (older name: `reqs_docker`).
    * `copy_dir`: a folder that is copied to `/mnt/conducto`.
    * `copy_url`: a Git address (with `copy_branch`) or an `s3://` one, whose files come there.
    * `copy_repo`: whether the whole Git repository of the calling file comes there; with `copy_branch` it is cloned.
    * `docker_auto_workdir`: whether `/mnt/conducto` becomes the working directory.
    * `path_map`: local paths to where the image already has them.
    * `shell`: the shell of commands; `Image.AUTO` takes bash if there is one.
    * `name`: shown to people; made from the definition unless given.

    Raises ValueError for a keyword that it does not know.
    """

    AUTO = "__auto__"
    """The value of `shell` that takes bash if the image has it, else ash, zsh or sh."""

    _CONTEXT: Optional[str] = None
    """If set, the folder where relative paths begin, in place of the calling file's."""

    def __init__(
        self,
        image: Optional[str] = None,
        *,
        dockerfile: Optional[str] = None,
        dockerfile_text: Optional[str] = None,
        docker_build_args: Optional[Mapping[str, Any]] = None,
        context: Optional[str] = None,
        copy_repo: Optional[bool] = None,
        copy_dir: Optional[str] = None,
        copy_url: Optional[str] = None,
        copy_branch: Optional[str] = None,
        docker_auto_workdir: bool = True,
        install_pip: Optional[List[str]] = None,
        install_npm: Union[List[str], bool, None] = None,
        install_packages: Optional[List[str]] = None,
        install_docker: bool = False,
        path_map: Optional[Mapping[str, str]] = None,
        shell: str = AUTO,
        name: Optional[str] = None,
        git_urls: Optional[List[str]] = None,
        instantiation_directory: Optional[str] = None,
        reqs_py: Optional[List[str]] = None,
        reqs_npm: Union[List[str], bool, None] = None,
        reqs_packages: Optional[List[str]] = None,
        reqs_docker: bool = False,
        **others: Any,
    ) -> None:
        unknown = sorted(set(others) - _DROPPED)
        if unknown:
            raise refusal(
                ValueError,
                "unknown args: " + ", ".join(unknown),
                help="the keywords of an image are listed by help(conducto.Image)",
            )
        if path_map is not None and not isinstance(path_map, Mapping):
            raise refusal(
                TypeError,
                "path_map must be a dict of local path to path in the image, got {!r}".format(path_map),
                help='write path_map={"./src": "/app/src"}',
            )
        self.given_name = name
        self.image = image
        self.dockerfile = dockerfile
        self.dockerfile_text = dockerfile_text
        self.docker_build_args = docker_build_args
        self.docker_auto_workdir = docker_auto_workdir
        self.context = context
        self.copy_repo = copy_repo
        self.copy_dir = copy_dir
        self.copy_url = copy_url
        self.copy_branch = copy_branch
        self.install_pip = install_pip or reqs_py
        self.install_npm = install_npm or reqs_npm
        self.install_packages = install_packages or reqs_packages
        self.install_docker = install_docker or reqs_docker
        self.path_map = dict(path_map) if path_map is not None else None
        self.shell = shell
        self.instantiation_directory = instantiation_directory or self._CONTEXT or callsite.directory()
        self.position = callsite.describe()
        self._final: Optional[Dict[str, Any]] = None
        self._is_final = False  # whether it came in its final form, from a serialization

    @property
    def name(self) -> str:
        """The name that was given, else one made from the definition."""
        return self.given_name if self.given_name is not None else self._made_name()

    @name.setter
    def name(self, name: Optional[str]) -> None:
        self.given_name = name

    def to_dict(self) -> Dict[str, Any]:
        """Returns the definition as it was given: relative paths are still relative to `instantiation_directory`."""
        if self._is_final:
            return dict(self._final or {}, name=self.name)
        definition = {key: getattr(self, key) for key in image_form.KEYS}
        definition["instantiation_directory"] = self.instantiation_directory
        definition["reqs_py"] = self.install_pip
        definition["reqs_npm"] = self.install_npm
        definition["reqs_packages"] = self.install_packages
        definition["reqs_docker"] = self.install_docker
        return definition

    def finalized(self) -> Dict[str, Any]:
        """Returns the definition with absolute paths and defaults filled in, as `conducto.main` prints it.

        Raises ValueError for keywords that exclude each other, and for `copy_repo` outside of a repository.
        """
        if self._final is None:
            self._final = image_form.finalize(self)
        return dict(self._final, name=self.name)

    @classmethod
    def from_dict(cls, definition: Mapping[str, Any]) -> "Image":
        """Returns the image of a serialization, in either form."""
        known = {key: definition.get(key) for key in image_form.KEYS}
        if "instantiation_directory" in definition:
            return cls(instantiation_directory=definition["instantiation_directory"], **known)  # type: ignore[arg-type]
        image = cls(known.get("image"), name=known.get("name"))
        image._final, image._is_final = known, True
        return image

    @staticmethod
    def get_contextual_path(path: str) -> str:
        """Returns a path that is relative to the calling file as an absolute one."""
        return os.path.realpath(os.path.join(Image._CONTEXT or callsite.directory(), path))

    @staticmethod
    def share_directory(name: str, relative: str) -> None:
        """Does nothing; it is here so that programs which call it run.

        The hosted service had to be told where a folder lies on each machine. A server of your own takes all files from
        the commit.
        """

    register_directory = share_directory

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        own, others = self.to_dict(), other.to_dict()
        if self.given_name is None or other.given_name is None:
            own.pop("name")
            others.pop("name")
        return own == others

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "Image({!r})".format(self.name)

    def _made_name(self) -> str:
        import hashlib
        import json

        # Without the folder: another checkout of the same program gives the same name.
        definition = {key: getattr(self, key) for key in image_form.KEYS if key != "name"}
        digest = hashlib.sha256(json.dumps(definition, sort_keys=True, default=str).encode()).hexdigest()
        base = self.image or ("dockerfile" if self.dockerfile or self.dockerfile_text else "default")
        word = re.sub(r"[^a-z0-9]+", "-", str(base).rsplit("/", 1)[-1].lower()).strip("-")
        return "{}-{}".format(word or "image", digest[:8])
