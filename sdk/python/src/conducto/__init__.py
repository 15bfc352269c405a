"""Pipelines as Python programs, for a Conducto server.

>>> import conducto as co
>>> def pipeline() -> co.Serial:
...     root = co.Serial(image="busybox")
...     root["hello"] = co.Exec("echo hello")
...     return root
>>> print(pipeline().pretty())
/
└─0 hello   echo hello

A program ends with `co.main(default=pipeline)`; `conducto.cfg` names it, and the server runs it at every push.
"""

from typing import TYPE_CHECKING, Any, List

from . import callback, errors
from ._version import __version__
from .command_line import main
from .errors import TreeError
from .glue import Lazy, lazy_py, lazy_shell
from .image import Image
from .node import Node
from .paths import Path, relpath
from .pipeline import Exec, Notebook, Parallel, Params, Serial
from .settings import ContainerReuseContext, SameContainer
from .text import env_bool

if TYPE_CHECKING:
    from . import api, data, git, integrations, nb, profile, schedule, slack, util

    Data = data
    temp_data = data.pipeline
    perm_data = data.user

__sha1__ = ""
"""The commit of the hosted client was here; the version says it all now."""

__all__ = [
    "ContainerReuseContext",
    "Data",
    "Exec",
    "Image",
    "Lazy",
    "Node",
    "Notebook",
    "Parallel",
    "Params",
    "Path",
    "SameContainer",
    "Serial",
    "TreeError",
    "api",
    "callback",
    "data",
    "env_bool",
    "errors",
    "git",
    "integrations",
    "lazy_py",
    "lazy_shell",
    "main",
    "nb",
    "perm_data",
    "profile",
    "relpath",
    "schedule",
    "slack",
    "temp_data",
    "util",
    "__version__",
]

_LATER = ("api", "data", "git", "glue", "integrations", "nb", "pipeline", "profile", "schedule", "slack", "util")
"""Modules that are imported when they are first used: most programs never do."""


_DATA = {"Data": "", "temp_data": "pipeline", "perm_data": "user"}
"""Other names of the stores."""


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LATER:
        return importlib.import_module("." + name, __name__)
    if name in _DATA:
        data = importlib.import_module(".data", __name__)
        return getattr(data, _DATA[name]) if _DATA[name] else data
    raise AttributeError("module 'conducto' has no attribute {!r}".format(name))


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(_LATER) | set(_DATA))
