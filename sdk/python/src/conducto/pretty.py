"""The tree as people read it.

>>> from conducto import Exec, Parallel, Serial
>>> root = Serial()
>>> root["one"] = Exec("echo hi")
>>> root["two"] = Parallel()
>>> root["two/n0"] = Exec("true")
>>> root["two/n1"] = Exec("false")
>>> print(tree(root, colour=False))
/
├─0 one   echo hi
└─1 two
  ├─ n0   true
  └─ n1   false
"""

import os
import sys
from typing import List, Optional

from . import paths, text
from .errors import refusal
from .node import Node
from .pipeline import Exec, Serial

_CYAN, _BLUE, _END = "\033[1;36m", "\033[1;34m", "\033[0m"


def tree(root: Node, *, strict: bool = True, colour: Optional[bool] = None) -> str:
    """Returns the tree; in colours if standard output is a terminal and `NO_COLOR` is not set, unless said otherwise.

    Raises ValueError for a command with a local path that the image does not have, unless `strict` is False.
    """
    lines: List[str] = []
    _add(lines, root, "", "", colours_wanted() if colour is None else colour, strict)
    return "\n".join(lines)


def colours_wanted() -> bool:
    """Says whether what goes to standard output may be coloured."""
    return sys.stdout.isatty() and bool(os.environ.get("TERM")) and not text.env_bool("NO_COLOR")


def expanded_command(node: Exec, *, strict: bool) -> str:
    """Returns the command of a node with paths in the container in place of local ones."""
    image = node.image
    # Where no image is known, the server has one: only it can tell.
    if image is None or "__conducto_path:" not in node.command:
        return node.command
    final = image.finalized()
    try:
        return paths.expand(node.command, final["path_map"] or {}, auto_workdir=final["docker_auto_workdir"])
    except LookupError as error:
        if not strict:
            return node.command
        raise refusal(
            ValueError,
            "Node {} uses the local path {}, which its image {} does not have".format(node, error.args[0], image.name),
            help='give the image copy_dir=".", copy_repo=True, or a path_map that holds it',
            where="{}:{}".format(node.file, node.line),
        ) from None


def _add(lines: List[str], node: Node, lead: str, below: str, colour: bool, strict: bool) -> None:
    is_leaf = isinstance(node, Exec)
    name = node.name
    if colour:
        name = (_CYAN if is_leaf else _BLUE) + name + _END
    line = lead + name
    if isinstance(node, Exec):
        line += "   " + expanded_command(node, strict=strict)
    lines.append(line.rstrip().replace("\n", "\\n"))
    width = len(str(len(node.children) - 1))
    for index, child in enumerate(node.children.values()):
        is_last = index == len(node.children) - 1
        number = str(index).zfill(width) if isinstance(node, Serial) else ""
        _add(
            lines,
            child,
            below + ("└─" if is_last else "├─") + number + " ",
            below + ("  " if is_last else "│ "),
            colour,
            strict,
        )
