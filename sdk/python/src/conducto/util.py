"""Helpers for programs that make trees: nodes for months and days, documentation cut from the source.

>>> from conducto import Exec, Serial
>>> root = Serial()
>>> for parent, month in makeyyyymmnodes(root, ["2020%02d" % month for month in range(1, 13)]):
...     parent[month] = Exec("report " + month)
>>> list(root.children), list(root["2020"].children)[:2]
(['2020'], ['202012', '202011'])
"""

import datetime
import inspect
from types import FrameType
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Type, TypeVar

from . import callsite, source
from .node import Node
from .text import env_bool, unindent

__all__ = ["env_bool", "magic_doc", "makedatenodes", "makenestednodes", "makeyyyymmnodes", "mkdirs"]

Value = TypeVar("Value")


def magic_doc(*, func: Optional[Callable[..., Any]] = None, doc_only: bool = False, comment: bool = False) -> str:
    """Returns Markdown about a function, the calling one unless given: its docstring, then its source.

    Without a docstring that of the module is taken. `doc_only` leaves the source out; `comment` returns instead the comment
    that stands above the function.
    """
    if func is not None:
        text = inspect.getsource(func)
        doc = func.__doc__ or getattr(inspect.getmodule(func), "__doc__", None)
        above = inspect.getcomments(func)
    else:
        frame = callsite.frame()
        assert frame is not None
        text = inspect.getsource(frame.f_code)
        doc = _docstring(frame, text) or frame.f_globals.get("__doc__")
        above = inspect.getcomments(frame.f_code)
    if comment:
        return unindent(source.uncommented(above or ""))
    doc = unindent(doc or "").strip()
    if doc_only:
        return doc
    return "{}\n\n```python\n{}\n```".format(doc, source.without_docstring(text))


def mkdirs(baseNode: Node, path: str, nodeType: Optional[Type[Node]] = None) -> Node:  # noqa: N803
    """Returns the node at a path below another; makes those that are not there, as `Parallel` unless said otherwise."""
    from .pipeline import Parallel

    node = baseNode
    for name in path.split("/"):
        if name:
            if name not in node.children:
                node.append_child(name, (nodeType or Parallel)())
            node = node.children[name]
    return node


def makenestednodes(
    baseNode: Node,  # noqa: N803
    values: Iterable[Value],
    func: Callable[[Value], str],
    makeLeafNode: bool = False,  # noqa: N803
    sort: bool = True,
    reverse: bool = False,
    nodeType: Optional[Type[Node]] = None,  # noqa: N803
) -> Iterator[Tuple[Node, Value]]:
    """Yields each value with the node that it belongs to, which is made if it is not there.

    `func` returns the path of a value. The node is the one above that path, or with `makeLeafNode` the one at it.
    """
    ordered: List[Value] = list(values)
    if sort:
        ordered.sort(key=func, reverse=reverse)
    for value in ordered:
        path = func(value)
        yield mkdirs(baseNode, path if makeLeafNode else path.rpartition("/")[0], nodeType), value


def makeyyyymmnodes(
    baseNode: Node,  # noqa: N803
    yyyymms: Sequence[str],
    makeLeafNode: bool = False,  # noqa: N803
    reverse: bool = True,
    nodeType: Optional[Type[Node]] = None,  # noqa: N803
) -> Iterator[Tuple[Node, str]]:
    """Yields each month (`"202001"`) with its node: flat for fewer than ten, else grouped by year; newest first."""

    def path(month: str) -> str:
        return month if len(yyyymms) < 10 else "{}/{}".format(month[:4], month)

    return makenestednodes(baseNode, yyyymms, path, makeLeafNode, reverse=reverse, nodeType=nodeType)


def makedatenodes(
    baseNode: Node,  # noqa: N803
    dates: Sequence[datetime.date],
    makeLeafNode: bool = False,  # noqa: N803
    reverse: bool = True,
    nodeType: Optional[Type[Node]] = None,  # noqa: N803
) -> Iterator[Tuple[Node, datetime.date]]:
    """Yields each date with its node: flat for ten or fewer, else grouped by month; from ten months on by year too."""
    months = {(date.year, date.month) for date in dates}

    def path(date: datetime.date) -> str:
        if len(dates) <= 10:
            return str(date)
        month = "{:%Y-%m}/{}".format(date, date)
        return month if len(months) < 10 else "{:%Y}/{}".format(date, month)

    return makenestednodes(baseNode, dates, path, makeLeafNode, reverse=reverse, nodeType=nodeType)


def _docstring(frame: FrameType, text: str) -> Optional[str]:
    """Returns the docstring of the function that runs in a frame; of a module there is none here."""
    return source.docstring(text) if frame.f_code.co_name != "<module>" else None
