"""The kinds of nodes: leaves that run commands, and groups.

>>> root = Parallel(image="busybox", max_concurrent=2)
>>> for word in ("one", "two", "three"):
...     root[word] = Exec("echo " + word, doc="Says " + word)
>>> len(root.children)
3
"""

import os
import shlex
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Union

from . import callsite, native
from .errors import TreeError, refusal
from .node import Node
from .paths import Path
from .settings import ContainerReuseContext, SameContainer
from .text import unindent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settings import NodeSettings

__all__ = [
    "ContainerReuseContext",
    "Exec",
    "Node",
    "Notebook",
    "Parallel",
    "Params",
    "SameContainer",
    "Serial",
    "TreeError",
]


def Params(**settings: Any) -> Dict[str, Any]:  # noqa: N802 -- reads like a class where it is used
    """Returns settings of a node for `Exec(function, params=…)`, whose own keywords are the function's arguments.

    >>> Params(cpu=2)
    {'cpu': 2}
    """
    return settings


class Exec(Node):
    """A leaf: runs a shell command, or calls a function of the file that is in its image.

    >>> Exec("make", cpu=2).command
    'make'
    >>> def resize(width: int, *, name: str) -> None: ...
    >>> Exec(resize, 3)
    Traceback (most recent call last):
        ...
    TypeError: Unsupported parameter types of resize: [('name', 'KEYWORD_ONLY')] - Only POSITIONAL_OR_KEYWORD is allowed.
    help: make them plain parameters: def resize(name): …

    With a function, positional and keyword arguments are the function's; settings of the node stand in
    `params=Params(…)`. Raises TypeError if the arguments do not fit the function.
    """

    _type = "Exec"
    _is_notebook = False

    def __init__(
        self,
        command: Union[str, Callable[..., Any]],
        *args: Any,
        params: Optional[Mapping[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        settings = dict(params or {})
        if callable(command):
            command = native.command(command, args, kwargs)
        else:
            if not isinstance(command, str):
                raise refusal(TypeError, "a command is a text or a function, got {!r}".format(command))
            if args:
                raise refusal(
                    ValueError,
                    "Only allowed arg is command. Got:\n  command={!r}\n  args={!r}\n  kwargs={!r}".format(
                        command, args, kwargs
                    ),
                    help="only a function takes arguments: write them into the command",
                )
            settings.update(kwargs)
        if "stop_on_error" in settings:
            raise refusal(TypeError, "__init__() got an unexpected keyword argument 'stop_on_error'")
        if settings.pop("max_concurrent", None) is not None:
            warnings.warn("max_concurrent on an Exec has no effect: set it on a group above", stacklevel=2)
        super().__init__(**settings)
        self.command = command

    @property
    def command(self) -> str:
        """The shell command."""
        return self._command

    @command.setter
    def command(self, command: str) -> None:
        self._command = unindent(command)

    def expanded_command(self, strict: bool = True) -> str:
        """Returns the command with paths in the container in place of local ones.

        Raises ValueError for a path that the image does not have, unless `strict` is False.
        """
        from . import pretty

        return pretty.expanded_command(self, strict=strict)

    def append_child(self, name: str, node: Node) -> None:
        """Raises TreeError: a leaf has no children."""
        raise refusal(
            TreeError, "{} is an Exec: it cannot have children".format(self), help="put it below a Serial or Parallel"
        )

    def delete_child(self, name: str) -> None:
        """Raises TreeError: a leaf has no children."""
        raise refusal(TreeError, "{} is an Exec: it has no children".format(self))


class Serial(Node):
    """A group whose children run one after another.

    `stop_on_error=False` lets the children after a failed one run too; the group is an error all the same.
    """

    _type = "Serial"

    def __init__(self, *, stop_on_error: Union[bool, str] = True, **settings: "Unpack[NodeSettings]") -> None:
        super().__init__(**settings)
        self.stop_on_error = stop_on_error

    @property
    def stop_on_error(self) -> Union[bool, str]:
        """Whether a failed child keeps the later ones from starting."""
        return self._stop_on_error

    @stop_on_error.setter
    def stop_on_error(self, stop: Union[bool, str]) -> None:
        if not isinstance(stop, (bool, str)):
            raise refusal(TypeError, "stop_on_error must be True or False, got {!r}".format(stop))
        self._stop_on_error = stop


class Parallel(Node):
    """A group whose children run at once."""

    _type = "Parallel"


class Notebook(Exec):
    """A leaf that runs a Jupyter notebook; keywords are its parameters.

    `path` is relative to the file that calls, or to the working directory if it is only there. Raises TypeError for
    a parameter that is not a text, number or bool.
    """

    _is_notebook = True

    def __init__(self, path: str, *, params: Optional[Mapping[str, Any]] = None, **parameters: Any) -> None:
        beside = os.path.join(callsite.directory(), path)
        local = path if os.path.exists(path) and not os.path.exists(beside) else beside
        words: List[str] = ["conducto-notebook", Path.from_localhost(local).in_command()]
        for key, value in parameters.items():
            if not isinstance(value, (str, int, float)):
                raise refusal(
                    TypeError,
                    "only str, int, float and bool can be parameters of a notebook, got {}={!r}".format(key, value),
                    help="pass it as JSON text",
                )
            words += ["-p", key, shlex.quote(str(value))]
        super().__init__(" ".join(words), params=params)
