"""Small rules about texts: truth, indentation, durations. Knows nothing of nodes."""

import os
import re
from typing import Union

_FALSE = frozenset(("", "0", "n", "none", "false", "f", "0.0"))

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 7 * 86400.0,
    "mm": 30 * 86400.0,
    "y": 365 * 86400.0,
}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)\s*")


def is_true(text: str) -> bool:
    """Says whether a text means yes.

    >>> [is_true(word) for word in ("1", "yes", "no way", "0", "False", " none ", "")]
    [True, True, True, False, False, False, False]
    """
    return text.strip().lower() not in _FALSE


def env_bool(key: str) -> bool:
    """Says whether an environment variable is set to something that means yes.

    >>> os.environ["FLAG_OF_THIS_EXAMPLE"] = "false"
    >>> env_bool("FLAG_OF_THIS_EXAMPLE"), env_bool("SURELY_NOT_SET_ANYWHERE")
    (False, False)
    """
    return is_true(os.environ.get(key, ""))


def unindent(text: str) -> str:
    r"""Takes away the indentation that a command has because it stands in indented source.

    The smallest indentation of the lines after the first is taken from all, then blanks at both ends of the whole. A text
    of one line is left as it is.

    >>> unindent("\n    set -e\n      make\n    ")
    'set -e\n  make'
    >>> unindent("  one line  ")
    '  one line  '
    """
    text = text.replace("\t", "    ")
    indents = [len(spaces) for spaces in re.findall(r"\n( *)(?=[^ \n])", text)]
    if not indents:
        return text
    smallest = min(indents)
    lines = [line[smallest:] if not line[:smallest].strip() else line for line in text.split("\n")]
    return "\n".join(lines).strip()


def seconds(duration: Union[int, float, str]) -> float:
    """Returns a duration in seconds. Raises ValueError if it is none or not above 0.

    >>> seconds("1h30m"), seconds(2.5), seconds("250ms")
    (5400.0, 2.5, 0.25)
    """
    if isinstance(duration, bool) or not isinstance(duration, (int, float, str)):
        raise ValueError("{!r} is no duration".format(duration))
    total = _parse(duration) if isinstance(duration, str) else float(duration)
    if not 0 < total < float("inf"):
        raise ValueError("a duration must be above 0, got {!r}".format(duration))
    return total


def _parse(text: str) -> float:
    total, at, text = 0.0, 0, text.strip()
    while at < len(text) or not text:
        piece = _DURATION.match(text, at)
        if piece is None or piece.group(2) not in _UNITS:
            raise ValueError("{!r} is no duration: write pieces such as `90s`, `10m`, `1h30m`".format(text))
        total += float(piece.group(1)) * _UNITS[piece.group(2)]
        at = piece.end()
    return total
