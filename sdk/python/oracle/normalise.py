"""The published normaliser: what two serializations may differ in, and nothing else.

* `file` and `line` of nodes and the `token` are dropped: they say where and by whom a pipeline was made.
* Images are renamed by content: the old client gives them random names. Two images with the same content get the same
  name; a node that names an image which is not there keeps that name.

Everything else is kept, with its order where order means something: nodes, edges, lists, and the entries of `path_map`,
of which the first that fits counts. The result is a text; two pipelines are equal if their texts are.

>>> one = {"nodes": [{"id": "B", "file": "/a.py", "image_name": "x"}], "images": {"x": {"name": "x", "image": "busybox"}}}
>>> two = {"nodes": [{"id": "B", "line": 3, "image_name": "y"}], "images": {"y": {"name": "y", "image": "busybox"}}}
>>> text(one) == text(two)
True
"""

import base64
import gzip
import hashlib
import json
import re

_MARKS = re.compile(r"<__conducto_serialization>(.*?)</__conducto_serialization>", re.DOTALL)


def text(serialization):
    """Returns the normal form of a decoded serialization, as JSON with sorted keys."""
    normal = json.loads(json.dumps(serialization))
    normal.pop("token", None)
    names = {}
    if isinstance(normal.get("images"), dict):
        normal["images"] = dict(_renamed(key, image, names) for key, image in normal["images"].items())
    for node in normal.get("nodes") or []:
        if isinstance(node, dict):
            node.pop("file", None)
            node.pop("line", None)
            name = node.get("image_name")
            if isinstance(name, str):
                node["image_name"] = names.get(name, name)
    return json.dumps(normal, sort_keys=True, indent=1)


def _renamed(key, image, names):
    """Returns an image under the name that its content gives it; notes that name."""
    if not isinstance(image, dict):
        return key, image
    # An image whose own name is not its key keeps it: the reader could not find it.
    if image.get("name") == key:
        del image["name"]
    if isinstance(image.get("path_map"), dict):
        image["path_map"] = list(image["path_map"].items())
    names[key] = "image-" + hashlib.sha256(json.dumps(image, sort_keys=True).encode()).hexdigest()[:16]
    return names[key], image


def from_output(output):
    """Returns the last serialization in what a program printed; None if there is none."""
    found = _MARKS.findall(output)
    return json.loads(gzip.decompress(base64.b64decode(found[-1]))) if found else None
