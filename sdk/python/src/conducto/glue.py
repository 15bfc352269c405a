"""Trees that grow: nodes whose children are printed by a command or function while the pipeline runs.

>>> root = Lazy("sh list-tests.sh")
>>> list(root.children)
['Generate', 'Execute']
>>> root["Generate"].command
'sh list-tests.sh'
"""

from typing import Any, Callable, Mapping, Optional, Union

from . import callback, usage
from .command_line import main
from .errors import refusal
from .node import Node
from .pipeline import Exec, Parallel, Serial

__all__ = ["Lazy", "lazy_py", "lazy_shell", "main"]


def Lazy(command_or_func: Union[str, Callable[..., Node]], *args: Any, **kwargs: Any) -> Serial:  # noqa: N802
    """Returns a Serial of two nodes: `Generate` runs the command or function, and `Execute` becomes the tree it prints.

    With a function, arguments are the function's, and it must be annotated to return a node; with a command, keywords are
    settings of `Generate`. Raises TypeError or ValueError as `Exec` does.
    """
    if callable(command_or_func):
        return lazy_py(command_or_func, *args, **kwargs)
    return lazy_shell(command_or_func, *args, **kwargs)


def lazy_py(func: Callable[..., Node], *args: Any, **kwargs: Any) -> Serial:
    """Returns a node whose children the function returns while the pipeline runs; the arguments are the function's."""
    if usage.node_kind(func) is None:
        raise refusal(
            ValueError,
            "{}() is not annotated to return a node, so it would print none".format(getattr(func, "__name__", func)),
            help="annotate it: def f(…) -> conducto.Parallel",
        )
    return _growing(Exec(func, *args, **kwargs), None)


def lazy_shell(command: str, env: Optional[Mapping[str, str]] = None, **exec_args: Any) -> Serial:
    """Returns a node whose children a shell command prints; `env` holds for both, other keywords for the command."""
    name = exec_args.pop("name", None)
    return _growing(Exec(command, **exec_args), env, name)


def _growing(generate: Exec, env: Optional[Mapping[str, str]], name: Optional[str] = None) -> Serial:
    node = Serial(env=env, name=name)
    execute = Parallel()
    node["Generate"] = generate
    node["Execute"] = execute
    generate.on_done(callback.deserialize_into_node(execute))
    return node
