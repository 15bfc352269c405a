"""Finds who called: the innermost frame of the stack that is not of this package."""

import os
import sys
from types import FrameType
from typing import Optional, Tuple

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def frame() -> Optional[FrameType]:
    """Returns the innermost frame outside of this package, or None."""
    current: Optional[FrameType] = sys._getframe(1)
    while current is not None:
        # Files of this package always come with an absolute name, also when `sys.path` holds a relative one.
        if not os.path.abspath(current.f_code.co_filename).startswith(_PACKAGE):
            return current
        current = current.f_back
    return None


def position() -> Tuple[Optional[str], Optional[int]]:
    """Returns the absolute path and the line of the caller; None for both where there is no file."""
    current = frame()
    if current is None or current.f_code.co_filename.startswith("<"):
        return None, None
    return os.path.abspath(current.f_code.co_filename), current.f_lineno


def directory() -> str:
    """Returns the folder of the calling file; the working directory where there is no file."""
    path, _ = position()
    return os.path.dirname(path) if path else os.getcwd()


def describe() -> str:
    """Returns `file:line` of the caller, or an empty text."""
    path, line = position()
    return "{}:{}".format(path, line) if path else ""
