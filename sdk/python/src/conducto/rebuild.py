"""Makes a tree of nodes from a serialization."""

from typing import Any, Dict

from . import serialize
from .image import Image
from .node import Node
from .pipeline import Exec, Parallel, Serial
from .settings import INHERITED

_ENV = "__env__"
_KINDS = {"Serial": Serial, "Parallel": Parallel}


def tree(serialization: Dict[str, Any]) -> Node:
    """Returns the root. Raises ValueError if the serialization is no tree.

    >>> root = Serial(env={"A": "1"})
    >>> root["one"] = Exec("echo", max_time="1m")
    >>> again = Node.deserialize(root.serialize())
    >>> again["one"].command, again["one"].max_time, again.env
    ('echo', '1m', {'A': '1'})
    """
    entries = serialization.get("nodes") or []
    if not entries:
        raise ValueError("this serialization holds no nodes")
    nodes = {entry["id"]: _node(entry) for entry in entries}
    for parent, child, name in serialization.get("edges") or []:
        if parent not in nodes or child not in nodes:
            raise ValueError("an edge of this serialization leads from {} to {}: no such node".format(parent, child))
        nodes[parent].append_child(name, nodes[child])
    root = nodes[entries[0]["id"]]
    for definition in (serialization.get("images") or {}).values():
        root.register_image(Image.from_dict(definition))
    root.token = serialization.get("token")
    root.pipeline_reservation = serialization.get("pipeline_reservation")
    return root


def _node(entry: Dict[str, Any]) -> Node:
    kind = entry.get("type")
    node: Node
    if kind == "Exec":
        node = Exec("")
        node._command = entry.get("command", "")  # as it is: it was unindented when it was made
        node._is_notebook = bool(entry.get("is_notebook"))
    elif kind in _KINDS:
        node = _KINDS[kind]()
    else:
        raise ValueError("this serialization holds a node of an unknown type: {!r}".format(kind))
    for key in INHERITED:
        node._set[key] = entry.get(key)
    for key in ("suppress_errors", "max_time", "max_concurrent", "container_reuse_context", "tags"):
        node._set[key] = entry.get(key)
    for key in ("doc", "title", "file", "line", "callback_data"):
        setattr(node, key, entry.get(key))
    if isinstance(node, Serial):
        node.stop_on_error = entry.get("stop_on_error", True)
    node.env = {key[len(_ENV) :]: value for key, value in entry.items() if key.startswith(_ENV)}
    node._image_name = entry.get("image_name")
    node._callbacks = [serialize.parse_callback(literal) for literal in entry.get("callbacks") or []]
    return node
