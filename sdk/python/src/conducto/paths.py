r"""Paths of the machine that launches, in the form in which a serialization carries them.

A path is a list of components; among them may stand *marks*, which say that this place is the root of a Git repository
or of a share. The linear form, its JSON, is what commands and path maps hold.

>>> path = Path(["home", "me", {"type": "git"}, "ci.py"])
>>> path.linear()
'{"pathsep": "/", "path": ["home", "me", {"type": "git"}, "ci.py"]}'
>>> Path.parse(path.linear()) == path
True
"""

import json
import os
import re
import shlex
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

Mark = Dict[str, str]
Component = Union[str, Mark]

WORKDIR = "/mnt/conducto"
"""Where the copy stage of an image puts files."""

_IN_COMMAND = re.compile(r"__conducto_path:(.*?):endpath__", re.DOTALL)


class Path:
    """A path of the launching machine, with marks."""

    def __init__(self, components: Iterable[Component], pathsep: str = "/") -> None:
        self.components: Tuple[Component, ...] = tuple(components)
        self.pathsep = pathsep

    @classmethod
    def from_localhost(cls, path: str, mark: Optional[Mark] = None) -> "Path":
        """Returns the path of a local file or folder; `mark` adds to what the mark of its repository says.

        In a container the folders that `CONDUCTO_PATH_MAP` names are translated back to where they came from.
        """
        real = os.path.realpath(path)
        for outside, inside in container_map():
            below = _below(real, os.path.realpath(inside))
            if below is not None:
                return cls(outside.components + tuple(below), outside.pathsep)
        components: List[Component] = [part for part in real.split(os.sep) if part]
        root = git_root(real)
        if root is not None:
            at = len([part for part in root.split(os.sep) if part])
            components.insert(at, dict({"type": "git"}, **(mark or {})))
        return cls(components, os.sep)

    @classmethod
    def parse(cls, linear: str) -> "Path":
        """Reads the linear form. Raises ValueError if it is none."""
        value = json.loads(linear)
        if not isinstance(value, dict) or not isinstance(value.get("path"), list):
            raise ValueError("{!r} is no path object".format(linear))
        return cls(value["path"], value.get("pathsep", "/"))

    def as_object(self) -> Dict[str, Any]:
        """Returns the form for JSON."""
        return {"pathsep": self.pathsep, "path": list(self.components)}

    def linear(self) -> str:
        """Returns the JSON text of the path."""
        return json.dumps(self.as_object())

    def in_command(self) -> str:
        """Returns the form that may stand in a command; the server puts the path in the container there."""
        return "__conducto_path:{}:endpath__".format(self.linear())

    def git_marks(self) -> List[Mark]:
        """Returns the marks of Git repositories, outermost first."""
        return [part for part in self.components if isinstance(part, dict) and part.get("type") == "git"]

    def parent(self) -> "Path":
        """Returns the folder of the path, without marks at its end.

        >>> Path(["a", {"type": "git"}, "b"]).parent().linear()
        '{"pathsep": "/", "path": ["a", {"type": "git"}]}'
        """
        return Path(self.components[:-1], self.pathsep)

    def to_external(self) -> str:
        """Returns the path as people write it, without marks."""
        names = [part for part in self.components if isinstance(part, str)]
        return ("/" if self.pathsep == "/" else "") + self.pathsep.join(names)

    def relative_to(self, folder: "Path") -> Optional[List[str]]:
        """Returns the components below `folder`, or None if the path is not below it.

        Both are compared from the last mark that they share, since the same share may lie elsewhere on another machine.

        >>> share = {"type": "shared", "name": "s"}
        >>> Path(["home", "me", share, "a", "b"]).relative_to(Path(["Users", "me", share, "a"]))
        ['b']
        """
        own, other = list(self.components), list(folder.components)
        for mark in reversed([part for part in own if isinstance(part, dict)]):
            if mark in other:
                own, other = own[own.index(mark) + 1 :], other[other.index(mark) + 1 :]
                break
        # A mark may say more on one side (the repository's address) than on the other.
        names = [part for part in own if isinstance(part, str)]
        above = [part for part in other if isinstance(part, str)]
        return names[len(above) :] if names[: len(above)] == above else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and self.as_object() == other.as_object()

    def __hash__(self) -> int:
        return hash(self.linear())

    def __repr__(self) -> str:
        return "Path({!r})".format(self.to_external())


def container_map() -> List[Tuple[Path, str]]:
    """Returns what `CONDUCTO_PATH_MAP` says: paths of the launching machine, and where they are in this container."""
    text = os.environ.get("CONDUCTO_PATH_MAP")
    if not text:
        return []
    return [(Path.parse(outside), inside) for outside, inside in json.loads(text).items()]


def git_root(path: str) -> Optional[str]:
    """Returns the innermost folder at or above `path` that is the root of a Git repository."""
    while True:
        if os.path.exists(os.path.join(path, ".git")):
            return path
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above


def expand(command: str, path_map: Mapping[str, str], *, auto_workdir: bool) -> str:
    """Puts paths in the container into a command, as the server will. Raises LookupError for one that is not in the image.

    >>> command = "cat " + Path(["home", "me", "a file"]).in_command()
    >>> expand(command, {Path(["home", "me"]).linear(): "/mnt/conducto"}, auto_workdir=True)
    "cat 'a file'"
    """

    def place(found: "re.Match[str]") -> str:
        path = Path.parse(found.group(1))
        for key, inside in path_map.items():
            below = path.relative_to(Path.parse(key))
            if below is None:
                continue
            new = "/".join([inside.rstrip("/") or "/"] + below) if below else inside
            if auto_workdir and (new + "/").startswith(WORKDIR + "/"):
                new = new[len(WORKDIR) + 1 :] or "."
            return shlex.quote(new)
        raise LookupError(path.to_external())

    return _IN_COMMAND.sub(place, command)


def relpath(path: str) -> str:
    """Returns a text for use in commands that becomes the path of a local file or folder in the container.

    `path` is relative to the file that calls. The node's image must hold it (`copy_dir`, `copy_repo` or `path_map`).

    >>> relpath("/usr/share/words")
    '__conducto_path:{"pathsep": "/", "path": ["usr", "share", "words"]}:endpath__'
    """
    from . import callsite

    return Path.from_localhost(os.path.join(callsite.directory(), path)).in_command()


def _below(path: str, folder: str) -> Optional[List[str]]:
    if path == folder:
        return []
    prefix = folder.rstrip(os.sep) + os.sep
    return path[len(prefix) :].split(os.sep) if path.startswith(prefix) else None
