"""Which functions a file offers on its command line, and the text that says so."""

import inspect
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Type

from . import arguments, native
from . import text as texts
from .node import Node

Method = Callable[..., Any]

_OPTIONS = (
    "[--local | --cloud | --k8s] [--run] [--run-at] [--sleep-when-done]",
    "[--app | --no-app] [--shell | --no-shell]",
)


def methods(variables: Mapping[str, Any]) -> Dict[str, Method]:
    """Returns the functions among variables, in their order; `__all__` says which and in which order, if it is there."""
    found = {
        name: value
        for name, value in variables.items()
        if callable(value) and not name.startswith("_") and not inspect.isclass(value)
    }
    listed = variables.get("__all__")
    if listed is None:
        return found
    return {name: found[name] for name in listed if name in found}


def node_kind(method: Method) -> Optional[Type[Node]]:
    """Returns the kind of node that a function is annotated to return; None if it is none."""
    kind = native.annotations(method).get("return")
    if isinstance(kind, str):  # an annotation that could not be evaluated
        from . import pipeline

        kind = getattr(pipeline, kind.rpartition(".")[2], None)
    return kind if isinstance(kind, type) and issubclass(kind, Node) else None


def text(prog: str, known: Mapping[str, Method]) -> str:
    """Returns how the program is called."""
    bold, dim, end = ("\033[1m", "\033[2m", "\033[0m") if _colours() else ("", "", "")
    nodes = {name: method for name, method in known.items() if node_kind(method) is not None}
    others = {name: method for name, method in known.items() if name not in nodes}
    lines = ["usage: {}  [-h] <method> [method arguments]".format(prog)]
    if nodes:
        lines += [" " * 13 + line for line in _OPTIONS]
    width = max([len(name) for name in known] or [0])
    for heading, group in (("methods that return conducto pipelines:", nodes), ("other methods:", others)):
        if group and (nodes or heading.startswith("other")):
            lines.append(heading if nodes else "methods:")
        for name, method in group.items():
            line = "    {}{}{}{}  {}".format(bold, name, end, " " * (width - len(name)), _signature(method))
            lines.append(line.rstrip())
            lines += ["        {}{}{}".format(dim, row, end).rstrip() for row in _doc(method)]
    return "\n".join(lines) + "\n"


def _signature(method: Method) -> str:
    hints = native.annotations(method)
    parts = []
    for parameter in inspect.signature(method).parameters.values():
        part = parameter.name
        if parameter.name in hints:
            part += ":" + arguments.name_of(hints[parameter.name]).replace("typing.", "")
        if parameter.default is not inspect.Parameter.empty:
            part += "={!r}".format(parameter.default)
        parts.append(part)
    kind = node_kind(method)
    return "({}){}".format(", ".join(parts), " -> " + kind.__name__ if kind is not None else "")


def _doc(method: Method) -> List[str]:
    return texts.unindent(method.__doc__ or "").strip().split("\n") if method.__doc__ else []


def _colours() -> bool:
    return sys.stderr.isatty() and bool(os.environ.get("TERM")) and not texts.env_bool("NO_COLOR")
