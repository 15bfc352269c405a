"""The serialization: a tree as JSON, key by key as the client 0.1.28 printed it, since that is what servers read."""

import base64
import gzip
import io
import json
import os
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Tuple

from . import callback as callbacks
from .image import Image
from .node import Node
from .settings import INHERITED, check_env
from .text import env_bool

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PRIME = 2**127 - 1
_ENV = "__env__"


def encode(serialization: Dict[str, Any]) -> str:
    """Returns the text that stands between the marks: base64 of gzip of JSON.

    >>> decode(encode({"nodes": []}))
    {'nodes': []}
    """
    buffer = io.BytesIO()
    # Without the time of day, so that the same tree is always the same text.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=3, fileobj=buffer, mtime=0) as file:
        file.write(json.dumps(serialization, separators=(",", ":")).encode())
    return base64.b64encode(buffer.getvalue()).decode()


def decode(text: str) -> Dict[str, Any]:
    """Returns the serialization of a text. Raises ValueError if it is none."""
    try:
        value = json.loads(gzip.decompress(base64.b64decode(text.strip(), validate=True)))
    except (OSError, EOFError, ValueError) as error:
        raise ValueError("this is no serialization: {}".format(error)) from None
    if not isinstance(value, dict):
        raise ValueError("this is no serialization: not an object")
    return value


def to_object(root: Node, *, final: bool = False) -> Dict[str, Any]:
    """Returns the serialization; with `final=True` images are in their final form."""
    names = _image_names(root)
    order = _breadth_first(root)
    described = {node: _describe(node, names) for node, _ in order}
    for node, _ in reversed(order):
        _hoist(described[node], [described[child] for child in node.children.values()])

    ids = {node: node_id(number) for node, number in order}
    nodes, edges = [], []
    for node, _ in order:
        entry = {key: value for key, value in described[node].items() if value is not None}
        entry["id"] = ids[node]
        nodes.append(entry)
        for name, child in node.children.items():
            edges.append([entry["id"], ids[child], name])
    images = {}
    for image, name in names.values():
        images[name] = dict(image.finalized() if final else image.to_dict(), name=name)
    return {
        "edges": edges,
        "nodes": nodes,
        "images": images,
        "token": root.token,
        "autorun": None,
        "autorun_at": None,
        "sleep_when_done": None,
        "pipeline_reservation": root.pipeline_reservation,
        "agent_only": env_bool("CONDUCTO_AGENT_ONLY"),
    }


def describe(node: Node) -> Dict[str, Any]:
    """Returns what a node itself carries, keys that it does not have as None."""
    description = _describe(node, {})
    description["image_name"] = node._image.name if node._image is not None else node._image_name
    description["id"] = str(node)
    return description


def to_text(root: Node) -> str:
    """Returns the serialization for people to read."""
    return json.dumps(to_object(root), indent=4, sort_keys=True)


def from_object(serialization: Dict[str, Any]) -> Node:
    """Returns the tree of a serialization. Raises ValueError if it holds none."""
    from . import rebuild

    return rebuild.tree(serialization)


def node_id(number: int) -> str:
    """Returns the text of a node's number: base 62, least significant digit first.

    >>> node_id(1), node_id(child_number(1, "one")), node_id(child_number(child_number(1, "two"), "n0"))
    ('B', 'cmoUroa31CfycGuum6AaB', 'qbWFUJGFfw5qPL4yU1mb3C')
    """
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits += _DIGITS[digit]
    return digits


def child_number(parent: int, name: str) -> int:
    """Returns the number of a node below that with the number `parent`."""
    number = parent
    for character in "/" + name:
        number = (number * 1000000007 + ord(character)) % _PRIME
    return number


def _breadth_first(root: Node) -> List[Tuple[Node, int]]:
    order: List[Tuple[Node, int]] = []
    waiting: Deque[Tuple[Node, int]] = deque([(root, 1)])
    while waiting:
        node, number = waiting.popleft()
        order.append((node, number))
        for name, child in node.children.items():
            waiting.append((child, child_number(number, name)))
    return order


def _image_names(root: Node) -> Dict[int, Tuple[Image, str]]:
    """Gives every image of the tree a name of its own, by its identity.

    Two images without a name are two images though they may be equal: nodes share one if it is the same object.
    """
    known = root.repo
    names: Dict[int, Tuple[Image, str]] = {}
    taken: Dict[str, Image] = {image.given_name: image for image in known.values() if image.given_name is not None}
    for node in root.stream():
        for image in list(node._registered.values()) + ([node._image] if node._image is not None else []):
            if id(image) in names:
                continue
            name, count = image.name, 1
            while image.given_name is None and name in taken:
                count += 1
                name = "{}-{}".format(image.name, count)
            taken[name] = image
            names[id(image)] = (image, name)
    return names


def _describe(node: Node, names: Dict[int, Tuple[Image, str]]) -> Dict[str, Any]:
    check_env(node.env, node)
    entry: Dict[str, Any] = {key: node._set.get(key) for key in INHERITED}
    entry["image_name"] = node._image_name
    if node._image is not None and id(node._image) in names:
        entry["image_name"] = names[id(node._image)][1]
    for name, value in node.env.items():
        entry[_ENV + name] = value
    entry["id"] = None
    entry["callbacks"] = [[event, callback.to_literal()] for event, callback in node._callbacks]
    entry["type"] = node._type
    entry["file"] = _outside(node.file)
    entry["line"] = node.line
    entry["is_notebook"] = getattr(node, "_is_notebook", False)
    for key in ("doc", "title", "tags", "suppress_errors", "max_time", "max_concurrent", "callback_data"):
        entry[key] = getattr(node, key) or None
    if node._type == "Exec":
        entry["max_concurrent"] = None  # it counts leaves below, and there are none
    entry["container_reuse_context"] = node.container_reuse_context
    for key in ("stop_on_error", "command"):
        if hasattr(node, key):
            entry[key] = getattr(node, key)
    return entry


def _outside(file: Optional[str]) -> Optional[str]:
    """Returns the path of a source file on the launching machine."""
    if file is None or not os.environ.get("CONDUCTO_PATH_MAP"):
        return file
    from .paths import Path

    return Path.from_localhost(file).to_external()


def _hoist(parent: Dict[str, Any], children: List[Dict[str, Any]]) -> None:
    """Moves what all children have in common to their parent."""
    if not children:
        return
    keys = list(INHERITED) + ["image_name"]
    keys += sorted({key for child in children for key in child if key.startswith(_ENV)})
    for key in keys:
        values = [child.get(key) for child in children]
        common: Any = parent.get(key)
        if common is None:
            common = values[0]
            if common is None or any(value != common for value in values):
                continue
            parent[key] = common
        elif any(value is not None and value != common for value in values):
            continue
        for child in children:
            child.pop(key, None)


def parse_callback(literal: Any) -> Tuple[str, callbacks.base]:
    """Returns a callback of a serialization, with its event."""
    event, (name, arguments) = literal
    return event, callbacks.base(name, **arguments)
