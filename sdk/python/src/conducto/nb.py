"""Output as in a notebook: code with what it printed, and figures, shown as Markdown by the server's pages."""

import ast
import inspect
import os
import textwrap
from types import FrameType, TracebackType
from typing import List, Optional, Tuple, Type

from . import callsite, source

__all__ = ["cell", "matplotlib_inline"]

IN_MARKDOWN = False
"""Whether a Markdown block is open: figures need none of their own then."""


class cell:  # noqa: N801 -- used like a function
    """Shows the comments at the beginning of a `with` block as Markdown, the rest as source, and then what it prints."""

    def __enter__(self) -> None:
        global IN_MARKDOWN
        comments, code = _block(callsite.frame())
        print("\n<ConductoMarkdown>" + comments.rstrip("\n"))
        if comments:
            print()
        print("```python\n{}\n```".format(code), flush=True)
        IN_MARKDOWN = True

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        global IN_MARKDOWN
        IN_MARKDOWN = False
        print("</ConductoMarkdown>", flush=True)


def matplotlib_inline() -> None:
    """Lets `matplotlib.pyplot.show()` put figures into the node's output. Raises ImportError without matplotlib."""
    import matplotlib  # type: ignore[import-not-found, unused-ignore]

    os.environ["MPLBACKEND"] = "module://conducto.matplotlib_backend"
    matplotlib.use("module://conducto.matplotlib_backend")


def show_image(url: str, name: str = "plot") -> None:
    """Prints the Markdown that shows an image."""
    line = "![{}]({})".format(name, url)
    print(line if IN_MARKDOWN else "\n<ConductoMarkdown>\n{}\n</ConductoMarkdown>".format(line), flush=True)


def _block(frame: Optional[FrameType]) -> Tuple[str, str]:
    """Returns the comments and the code of the `with` block that runs in a frame; nothing where there is no source."""
    try:
        if frame is None:
            return "", ""
        lines, _ = inspect.findsource(frame.f_code)
        tree = ast.parse("".join(lines))
    except (OSError, SyntaxError):
        return "", ""
    found: Optional[ast.With] = None
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno):
            if found is None or node.lineno > found.lineno:
                found = node
    if found is None:
        return "", ""
    return _split(lines[found.items[-1].context_expr.end_lineno or found.lineno : found.end_lineno])


def _split(lines: List[str]) -> Tuple[str, str]:
    code = textwrap.dedent("".join(lines)).split("\n")
    count = 0
    while count < len(code) and code[count].startswith("#"):
        count += 1
    comments = "\n".join(code[:count])
    return textwrap.dedent(source.uncommented(comments)) + ("\n" if comments else ""), "\n".join(code[count:]).strip(
        "\n"
    ).rstrip()
