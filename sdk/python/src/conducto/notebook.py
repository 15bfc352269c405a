"""Runs a Jupyter notebook with parameters, by papermill; the command `conducto-notebook` of `co.Notebook` nodes.

The notebook that ran, with what its cells printed, is kept among the data of the pipeline: the working copy in which it
ran is gone when the node ends.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any, Dict, List

from . import data

__all__ = ["tag_parameters"]

_KEPT = "notebooks"
_PARAMETERS = re.compile(r"\s*#\s*parameters\b", re.IGNORECASE)
_USAGE = "usage: conducto-notebook NOTEBOOK.ipynb [-p NAME VALUE]..."


def tag_parameters(notebook: Dict[str, Any]) -> bool:
    """Marks the cell that sets the parameters, the first that begins with `# parameters`, for papermill.

    Returns whether there is one. Where a cell has the tag already, nothing changes.

    >>> notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": ["# Parameters\\n", "n = 1"]}]}
    >>> tag_parameters(notebook), notebook["cells"][0]["metadata"]
    (True, {'tags': ['parameters']})
    """
    cells = [cell for cell in notebook.get("cells", []) if cell.get("cell_type") == "code"]
    if any("parameters" in cell.get("metadata", {}).get("tags", []) for cell in cells):
        return True
    for cell in cells:
        source = cell.get("source", "")
        if _PARAMETERS.match(source if isinstance(source, str) else "".join(source)):
            cell.setdefault("metadata", {}).setdefault("tags", []).append("parameters")
            return True
    return False


def tool() -> None:
    """Runs `conducto-notebook`; ends the process with 2 where the words are wrong, else as papermill ends."""
    words = sys.argv[1:]
    if words in (["-h"], ["--help"]):
        print(_USAGE)
        sys.exit(0)
    options = words[1:]
    if not words or words[0].startswith("-") or len(options) % 3 or any(word != "-p" for word in options[::3]):
        print(_USAGE, file=sys.stderr)
        sys.exit(2)
    sys.exit(_run(words[0], options))


def _run(path: str, options: List[str]) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            notebook = json.load(file)
    except OSError as error:
        return _refuse("{}: {}".format(path, error.strerror), "is the file in the image, or in the repository?")
    except ValueError as error:
        return _refuse("{} is no notebook: {}".format(path, error), "notebooks are JSON, with cells")
    if not isinstance(notebook, dict):
        return _refuse("{} is no notebook: it is JSON, but no object".format(path), "notebooks are JSON, with cells")
    if not tag_parameters(notebook) and options:
        print("{}: no cell begins with `# parameters`; they are set before the first cell".format(path), flush=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(notebook, file, indent=1, ensure_ascii=False)
        file.write("\n")
    if subprocess.run([sys.executable, "-c", "import papermill"], stderr=subprocess.DEVNULL).returncode:
        return _refuse(
            "papermill is not installed for {}".format(sys.executable),
            'give the node an image with it: co.Image(install_pip=["papermill", "ipykernel"])',
        )
    # papermill reads the texts of its `-p` as we do: True, 4 and 2.5 are no texts.
    ours = ["--log-output", "--no-progress-bar"]
    code = subprocess.run([sys.executable, "-m", "papermill", path, path] + options + ours).returncode
    _keep(path)
    return code


def _keep(path: str) -> None:
    """Keeps what ran, also if it failed: nothing shows better where."""
    if not os.environ.get("CONDUCTO_PIPELINE_ID"):
        return
    name = "{}/{}".format(_KEPT, os.path.basename(path))
    data.pipeline.put(name, path)
    link = data.pipeline.url(name)
    print("\n<ConductoMarkdown>\n[{}]({})\n</ConductoMarkdown>".format(os.path.basename(path), link), flush=True)


def _refuse(what: str, help: str) -> int:
    print("error: {}\nhelp: {}".format(what, help), file=sys.stderr)
    return 1
