"""Pieces of Python source: a function without its docstring, comments without their marks."""

import ast
import re
from textwrap import dedent
from typing import Optional, Tuple


def docstring(text: str) -> Optional[str]:
    """Returns the docstring of the function that a source text is.

    >>> docstring('def f():\\n    "Says so."\\n')
    'Says so.'
    """
    found = _docstring(text)
    return found[0] if found else None


def without_docstring(text: str) -> str:
    """Returns the source of a function without its docstring.

    >>> print(without_docstring('def f():\\n    "Says so."\\n    return 1\\n'), end="")
    def f():
        return 1
    """
    found = _docstring(text)
    lines = dedent(text).splitlines(True)
    if found is not None:
        del lines[found[1] - 1 : found[2]]
    return "".join(lines)


def uncommented(text: str) -> str:
    """Returns comment lines without their marks.

    >>> uncommented("# one\\n#   two\\n")
    ' one\\n   two\\n'
    """
    return re.sub(r"^[ \t]*#", "", text, flags=re.MULTILINE)


def _docstring(text: str) -> Optional[Tuple[str, int, int]]:
    """Returns the docstring of a function, and its first and last line."""
    try:
        function = ast.parse(dedent(text)).body[0]
    except (SyntaxError, IndexError):
        return None
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or ast.get_docstring(function) is None:
        return None
    statement = function.body[0]
    assert isinstance(statement, ast.Expr)
    return ast.literal_eval(statement.value), statement.lineno, statement.end_lineno or statement.lineno
