"""The commit that is being run.

>>> import os
>>> os.environ.update(CONDUCTO_GIT_URL="https://github.com/a/b.git", CONDUCTO_GIT_SHA="0123abcd")
>>> from conducto import Serial
>>> root = Serial()
>>> apply_status(root)
>>> root.describe()["callbacks"][0][0]
'stateChange'
"""

import os

from .integrations import git
from .node import Node

__all__ = ["apply_status", "apply_status_all"]


def apply_status(parent: Node) -> None:
    """Shows the state of a node, and of those below, at the commit; does nothing where it is not known which it is."""
    url, sha = os.environ.get("CONDUCTO_GIT_URL"), os.environ.get("CONDUCTO_GIT_SHA")
    if url and sha:
        git.add_status_callback(parent, url, sha, inherited=True, user_display=False)


apply_status_all = apply_status
